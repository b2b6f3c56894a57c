#!/usr/bin/env bash
# Everything that only a GPU can tell, in ten minutes: its tests, then each benchmark with small settings.
# benchmarks/on_gpu.sh [FOLDER] [RECORDINGS...]: prints one table; FOLDER (gpu-figures) gets figures.json and what each part
# printed. RECORDINGS are recordings or folders of them; without any, speech is synthesised.
set -euo pipefail
folder=$(realpath -m "${1:-gpu-figures}")
shift || true
recordings=()
for path; do recordings+=("$(realpath "$path")"); done
cd "$(dirname "$0")/.."
for python in .venv/bin/python python3.12 python3 ""; do
  [[ -z $python ]] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || break
done
[[ -n $python ]] || { echo "Python 3.12 or newer is missing; install it, then requirements.lock with pip" >&2; exit 1; }
exec "$python" benchmarks/on_gpu.py "$folder" "${recordings[@]}"
