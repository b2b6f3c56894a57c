#!/usr/bin/env bash
# Quantisers side by side: train every model of a table with several seeds, evaluate each, tabulate and draw.
# The data are those of another recipe: --dump holds its features of train and dev, --data is its test set.
# --config names a table in conf/; --jobs is the number of runs at a time, --device is auto, cpu or cuda.
cd "$(dirname "$0")" || exit
config=models dump=../mini/dump/demo data=../mini/data/test item=../mini/data/test/phones.item jobs=2 device=auto
. ../stages.sh
exp=exp/$config

run_stage 3 "Training and evaluation" python -m benchmarks.compare "conf/$config.yaml" --exp "$exp" \
  --dump "$dump" --data "$data" ${item:+--item "$item"} --jobs "$jobs" --device "$device"
run_stage 7 "Report" python -m benchmarks.compare "conf/$config.yaml" --exp "$exp" --table-only
