# shellcheck shell=bash
# Options and stages of a recipe. A run.sh goes to its own folder, assigns its options, then sources this file:
#
#   config=demo jobs=2        # two options, --config and --jobs, with their defaults
#   . ../stages.sh
#   exp=exp/$config           # logs go to $exp/logs, or to $logs where the recipe sets it
#   run_stage 3 "Training" COMMAND ARGUMENT...
#
# A command that fails stops the recipe with its own exit status.
set -euo pipefail
export -n stage stop_stage
stage=0 stop_stage=7

refuse() {
  printf './%s: %s\n' "${0##*/}" "$1" >&2
  exit 2
}

usage() { # the comment at the head of run.sh, then the options with their values
  local name
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${0##*/}"
  printf '\nOptions:\n'
  for name in $names; do printf '  --%s (%s)\n' "${name//_/-}" "${!name}"; done
  printf '  --dry-run (print the commands, run nothing)\n\nStages: %s\n' \
    "0 download, 1 data preparation, 2 features, 3 training, 4 units, 5 conversion, 6 evaluation, 7 report"
}

parse_options() {
  local option name value known
  known=$(for name in $names; do printf -- '--%s ' "${name//_/-}"; done)
  while [ $# -gt 0 ]; do
    option=${1%%=*}
    name=${option#--}
    name=${name//-/_}
    case $1 in
      --help) usage && exit ;;
      --dry-run) dry_run=true && shift && continue ;;
    esac
    [[ $1 == --* && $names == *" $name "* ]] || refuse "unknown option $1; the options are ${known}--dry-run --help"
    if [[ $1 == *=* ]]; then
      value=${1#*=}
    else
      [[ $# -gt 1 && $2 != --* ]] || refuse "$option needs a value"
      value=$2
      shift
    fi
    shift
    printf -v "$name" %s "$value"
    [ "$name" = stage ] || given+=" $option $(printf %q "$value")"
  done
  [[ $stage =~ ^[0-7]$ && $stop_stage =~ ^[0-7]$ ]] || refuse "--stage and --stop-stage take a number from 0 to 7"
  [ "$stage" -le "$stop_stage" ] || refuse "--stage $stage comes after --stop-stage $stop_stage"
}

run_stage() { # NUMBER TITLE COMMAND ARGUMENT...
  local number=$1 title=$2 began=$SECONDS status=0 ended=failed command slug log took
  shift 2
  if [ "$number" -lt "$stage" ] || [ "$number" -gt "$stop_stage" ]; then return; fi
  command=$(printf ' %q' "$@")
  if $dry_run; then
    printf '# stage %s: %s\n%s\n' "$number" "$title" "${command# }"
    return
  fi
  slug=$(printf ' %s ' "$title" | LC_ALL=C tr '[:upper:]' '[:lower:]' | LC_ALL=C tr -cs '[:alnum:]' -)
  log=${logs:-$exp/logs}/$number${slug%-}.log
  mkdir -p "${log%/*}"
  printf '[%s] stage %s: %s\n' "$(date +%T)" "$number" "$title"
  printf '$%s\n' "$command" >"$log"
  # Progress bars go to stderr and are drawn only on a terminal: there stderr is left alone, and the log lacks it.
  # tee outlives a Ctrl-C, so that the command's last lines are logged.
  if [ -t 2 ]; then "$@" | tee -ai "$log"; else "$@" 2>&1 | tee -ai "$log"; fi || status=$?
  took=$((SECONDS - began))
  printf -v took '%d:%02d:%02d' $((took / 3600)) $((took / 60 % 60)) $((took % 60))
  if [ "$status" -ne 0 ]; then
    case $status in 75 | 130) ended='was stopped' ;; esac # by a signal; what was done is kept
    printf './%s: stage %s (%s) %s with status %s after %s; see above and %s; to continue: ./%s%s --stage %s\n' \
      "${0##*/}" "$number" "$title" "$ended" "$status" "$took" "$log" "${0##*/}" "$given" "$number" | tee -a "$log" >&2
    exit "$status"
  fi
  printf '[%s] stage %s: done in %s\n' "$(date +%T)" "$number" "$took" | tee -a "$log"
}

# shellcheck disable=SC2154 # the variables are the recipe's
add_vocoder() { # with --vocoder NAME trains conf/NAME.yaml on what $codec decodes of $dump; $codec is then both as one
  [ -n "$vocoder" ] || return 0
  local own=(--config "conf/$vocoder.yaml" --set "inputs.codec=$codec" --set inputs.decoded=0.5) set
  for set in train dev; do
    run_stage 3 "Vocoder data ($set)" sqspeech vocoder-data "$dump/$set" "${own[@]}" --jobs "$jobs"
  done
  run_stage 3 "Vocoder" sqspeech train "$dump" "$exp/$vocoder" "${own[@]}" --device "$device"
  run_stage 3 "Vocoder into the model" sqspeech attach-vocoder "$codec" "$exp/$vocoder/best.ckpt" -o "$exp/speech.ckpt"
  codec=$exp/speech.ckpt
}

# Variables that the shell has and its environment has not, in lower case: the recipe's options and the stages.
names=" $(declare -p | sed -n 's/^declare -- \([a-z][a-z0-9_]*\)=.*/\1/p' | tr '\n' ' ')"
dry_run=false given=
parse_options "$@"
bin=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venv/bin
if [ -d "$bin" ]; then PATH=$bin:$PATH; fi
export PYTHONUNBUFFERED=1 # through a pipe, too, a line must appear when it is printed
