#!/usr/bin/env bash
# VCTK: download release 0.92, prepare it, train, extract units, convert, evaluate, report.
# With a corpus that you have, 0.80 or 0.92, begin with --stage 1 --corpus PATH.
# --config names a file in conf/; --mic is auto, 1 or 2; --hold-out is utterances or prompts;
# --measure parallel also measures conversion, and needs --hold-out prompts;
# --judges all (or words, quality, speaker, aligned) adds the measures of other models, with sqspeech[judges];
# --vocoder vocoder also trains conf/vocoder.yaml on what the model decodes, and makes speech with it;
# --jobs is the number of processes, --device is auto, cpu or cuda.
cd "$(dirname "$0")" || exit
config=published corpus=downloads/VCTK-Corpus-0.92.zip mic=auto hold_out=utterances measure='' judges=''
vocoder='' jobs=4 device=auto
. ../stages.sh
# Another test set makes another experiment: a model must not be measured on what it was trained on.
conf=conf/$config.yaml data=data/$hold_out dump=dump/$hold_out/$config exp=exp/$hold_out/$config

run_stage 0 "Download" python -m data_prep.download vctk --cache downloads
run_stage 1 "Data preparation" python -m data_prep.vctk "$corpus" "$data" --mic "$mic" --hold-out "$hold_out"
run_stage 2 "Features (train)" sqspeech features "$data/train" "$dump/train" --config "$conf" \
  --jobs "$jobs" --device "$device"
run_stage 2 "Features (dev)" sqspeech features "$data/dev" "$dump/dev" --config "$conf" \
  --jobs "$jobs" --device "$device"
run_stage 3 "Training" sqspeech train "$dump" "$exp" --config "$conf" --device "$device"
codec=$exp/best.ckpt
add_vocoder
run_stage 4 "Units" sqspeech units "$exp/best.ckpt" "$data/test" -o "$exp/units" --device "$device"
run_stage 5 "Conversion" sqspeech convert "$codec" "$data/test" --to source --to p225 --to p226 \
  -o "$exp/conversion" --device "$device"
run_stage 6 "Evaluation" sqspeech evaluate "$codec" "$data/test" -o "$exp/metrics.json" \
  ${measure:+"--$measure"} ${judges:+--judge "$judges" --train "$data/train" --judgements exp/judgements} \
  --device "$device"
run_stage 6 "Vocoders" sqspeech compare-vocoders "$codec" "$data/test" -o "$exp/vocoders" \
  ${judges:+--judge "$judges" --judgements exp/judgements} --device "$device"
run_stage 7 "Report" sqspeech report "$exp" -o "$exp/report.html"
