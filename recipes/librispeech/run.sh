#!/usr/bin/env bash
# Real speech of a few speakers, and of speakers outside the training set: units, conversion, and their evaluation.
# --corpus is a Kaldi data directory of Mini-LibriSpeech with phones.item and phones.ctm; see README.md.
# --config and --prior name files in conf/; a vq_ema has no posteriors, so give it --soft=;
# --judges all (or words, quality, speaker, aligned) adds the measures of other models, with sqspeech[judges];
# --vocoder vocoder also trains conf/vocoder.yaml on what the model decodes, and makes speech with it (or vocoder_small;
# vocoder_gpu or vocoder_large on a GPU); --jobs is the number of processes, --device is auto, cpu or cuda.
cd "$(dirname "$0")" || exit
config=plus prior=prior corpus=downloads/librispeech soft=soft judges='' vocoder='' jobs=2 device=auto
. ../stages.sh
conf=conf/$config.yaml dump=dump exp=exp/$config

run_stage 1 "Data preparation" python -m data_prep.split "$corpus" data \
  --unseen 1088 --unseen 118 --unseen 3526 --unseen 3664
run_stage 1 "Pairs" python -m data_prep.pairs data/test data/pairs
run_stage 2 "Features (train)" sqspeech features data/train "$dump/train" --config "$conf" --jobs "$jobs"
run_stage 2 "Features (dev)" sqspeech features data/dev "$dump/dev" --config "$conf" --jobs "$jobs"
run_stage 3 "Training" sqspeech train "$dump" "$exp" --config "$conf" --device "$device"
codec=$exp/best.ckpt
add_vocoder
run_stage 4 "Units" sqspeech units "$exp/best.ckpt" data/test -o "$exp/units" --format kaldi --format npz \
  --vectors ${soft:+"--$soft"} --continuous --jobs "$jobs" --device "$device"
run_stage 4 "Units (unseen speakers)" sqspeech units "$exp/best.ckpt" data/unseen -o "$exp/unseen" --format npz \
  --vectors ${soft:+"--$soft"} --continuous --jobs "$jobs" --device "$device"
run_stage 4 "Units (train)" sqspeech units "$exp/best.ckpt" data/train -o "$exp/prior/units/train" \
  --jobs "$jobs" --device "$device"
run_stage 4 "Units (dev)" sqspeech units "$exp/best.ckpt" data/dev -o "$exp/prior/units/dev" \
  --jobs "$jobs" --device "$device"
run_stage 4 "Prior" sqspeech train "$exp/prior/units" "$exp/prior" --config "conf/$prior.yaml" --device "$device"
run_stage 5 "Conversion" sqspeech convert "$codec" data/test --to source --to 163 --to 1867 --to 1737 --to 19 \
  -o "$exp/conversion" --device "$device"
run_stage 5 "Generated speech" sqspeech generate "$exp/prior/best.ckpt" "$codec" -o "$exp/generated" --to 19 \
  --device "$device"
run_stage 6 "Evaluation" sqspeech evaluate "$codec" data/test -o "$exp/metrics.json" \
  --item data/test/phones.item --conversion data/pairs --train data/train \
  ${judges:+--judge "$judges" --judgements exp/judgements} --device "$device"
run_stage 6 "Evaluation of units" sqspeech evaluate-units "$exp/units" --data data/test \
  --item data/test/phones.item --alignment "$corpus/phones.ctm" --prior "$exp/prior/best.ckpt" -o "$exp/units.json" \
  --pictures "$exp/pictures"
run_stage 6 "Evaluation of units (unseen speakers)" sqspeech evaluate-units "$exp/unseen" --data data/unseen \
  --item data/unseen/phones.item --alignment "$corpus/phones.ctm" --prior "$exp/prior/best.ckpt" \
  -o "$exp/unseen.json" --pictures "$exp/unseen-pictures"
run_stage 6 "Vocoders" sqspeech compare-vocoders "$codec" data/test -o "$exp/vocoders" \
  ${judges:+--judge "$judges" --judgements exp/judgements} --device "$device"
run_stage 7 "Report" sqspeech report "$exp" -o "$exp/report.html"
