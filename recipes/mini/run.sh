#!/usr/bin/env bash
# The whole pipeline on a small synthetic corpus: prepare, train, convert, evaluate, report.
# --config, --prior and --vocoder name files in conf/; with --vocoder= there is none, and WORLD makes the speech;
# --jobs is the number of processes, --device is auto, cpu or cuda.
cd "$(dirname "$0")" || exit
config=demo prior=prior vocoder=vocoder jobs=2 device=auto
. ../stages.sh
conf=conf/$config.yaml dump=dump/$config exp=exp/$config

run_stage 1 "Data preparation" python -m data_prep.mini data
run_stage 2 "Features (train)" sqspeech features data/train "$dump/train" --config "$conf" --jobs "$jobs"
run_stage 2 "Features (dev)" sqspeech features data/dev "$dump/dev" --config "$conf" --jobs "$jobs"
run_stage 3 "Training" sqspeech train "$dump" "$exp" --config "$conf" --device "$device"
codec=$exp/best.ckpt
add_vocoder
run_stage 4 "Units" sqspeech units "$exp/best.ckpt" data/test -o "$exp/units" --device "$device"
run_stage 4 "Units (train)" sqspeech units "$exp/best.ckpt" data/train -o "$exp/prior/units/train" \
  --jobs "$jobs" --device "$device"
run_stage 4 "Units (dev)" sqspeech units "$exp/best.ckpt" data/dev -o "$exp/prior/units/dev" \
  --device "$device"
run_stage 4 "Prior" sqspeech train "$exp/prior/units" "$exp/prior" --config "conf/$prior.yaml" --device "$device"
run_stage 5 "Conversion" sqspeech convert "$codec" data/test --to source --to all -o "$exp/conversion" \
  --device "$device"
run_stage 5 "Generated speech" sqspeech generate "$exp/prior/best.ckpt" "$codec" -o "$exp/generated" --to f1 \
  --seconds 3 --count 4 --device "$device"
run_stage 6 "Evaluation" sqspeech evaluate "$codec" data/test -o "$exp/metrics.json" \
  --item data/test/phones.item --parallel --device "$device"
run_stage 6 "Vocoders" sqspeech compare-vocoders "$codec" data/test -o "$exp/vocoders" --device "$device"
run_stage 7 "Report" sqspeech report "$exp" -o "$exp/report.html"
