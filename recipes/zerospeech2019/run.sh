#!/usr/bin/env bash
# ZeroSpeech 2019, "TTS without T": prepare a language, train, extract units, convert, evaluate, report.
# The corpus is licensed: stage 0 prints how to get it. --corpus PATH uses one that you have.
# --config names a file in conf/; --language is english or surprise; --lists is a folder of published lists;
# --vocoder vocoder also trains conf/vocoder.yaml on what the model decodes, and makes speech with it;
# --jobs is the number of processes, --device is auto, cpu or cuda; --author and --affiliation are for the submission.
cd "$(dirname "$0")" || exit
config=published corpus=downloads/2019 language=english lists='' vocoder='' jobs=4 device=auto
author=Anonymous affiliation=Unknown
. ../stages.sh
conf=conf/$config.yaml data=data/$language dump=dump/$language/$config exp=exp/$language/$config
# The challenge's target voices; `voices` is the name of the language's array.
# shellcheck disable=SC2034
english=(V001 V002) surprise=(V001) voices="${language}[@]"

run_stage 0 "Download" python -m data_prep.download zerospeech2019 --corpus "$corpus"
run_stage 1 "Data preparation" python -m data_prep.zerospeech2019 "$corpus" "$data" --language "$language" \
  ${lists:+--lists "$lists"}
run_stage 2 "Features (train)" sqspeech features "$data/train" "$dump/train" --config "$conf" \
  --jobs "$jobs" --device "$device"
run_stage 2 "Features (dev)" sqspeech features "$data/dev" "$dump/dev" --config "$conf" \
  --jobs "$jobs" --device "$device"
run_stage 3 "Training" sqspeech train "$dump" "$exp" --config "$conf" --device "$device"
codec=$exp/best.ckpt
add_vocoder
run_stage 4 "Units" sqspeech units "$exp/best.ckpt" "$data/test" -o "$exp/units" --device "$device"
run_stage 5 "Conversion" sqspeech convert "$codec" "$data/conversion" "${!voices/#/--to=}" \
  -o "$exp/conversion" --device "$device"
run_stage 5 "Submission" sqspeech submit "$codec" "$data" -o "exp/submission/$config" --language "$language" \
  --author "$author" --affiliation "$affiliation" --device "$device"
run_stage 6 "Evaluation" sqspeech evaluate "$codec" "$data/mse" -o "$exp/metrics.json" --device "$device"
run_stage 7 "Report" sqspeech report "$exp" -o "$exp/report.html"
