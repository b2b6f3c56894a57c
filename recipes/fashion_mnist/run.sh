#!/usr/bin/env bash
# SQ-VAE on images: methods side by side, sweeps over the codebook, classes of pixels, a prior over the codes.
# --table names a file in tables/; --dataset is fashion_mnist, mnist or cifar10, --source a folder with its files.
# The prior is over the codes of --model, a run of the table. --device is auto, cpu or cuda.
cd "$(dirname "$0")" || exit
table=methods dataset=fashion_mnist source='' model=i/seed0 device=auto
. ../stages.sh
data=data/$dataset exp=exp/$dataset/$table

run_stage 1 "Data preparation" python -m images.prepare "$dataset" "$data" ${source:+--source "$source"}
run_stage 3 "Training and evaluation" python -m images.runs "tables/$table.yaml" "$data" "$exp" --device "$device"
run_stage 4 "Codes" python -m images.codes "$exp/$model/last.ckpt" "$data" "$exp/$model/codes" --device "$device"
run_stage 4 "Prior" python -m images train "$exp/$model/codes" "$exp/$model/prior" --config conf/prior.yaml \
  --device "$device"
run_stage 6 "Samples and bits" python -m images.sample "$exp/$model/prior/best.ckpt" "$exp/$model/last.ckpt" \
  "$exp/$model/codes" -o "$exp/$model/prior" --device "$device"
run_stage 7 "Report" python -m images.report "tables/$table.yaml" "$data" "$exp"
