#!/usr/bin/env bash
# Runs wf with what the inputs say. They come as variables and go as arguments: nothing of them is evaluated.
set -euo pipefail
cd -- "$ACTION_DIRECTORY"

flags=()
flag() { # name, value: `--name=value`, if there is a value
  [ -z "$2" ] || flags+=("--$1=$2")
}
lower() { printf '%s' "$1" | tr '[:upper:]' '[:lower:]'; }
truth() { # name, value: `true`, `false` or nothing, in letters of any case
  case "$(lower "$2")" in
    true | false | '') lower "$2" ;;
    *)
      printf 'the input %s takes true or false, not %q\n' "$1" "$2" >&2
      exit 2
      ;;
  esac
}
switch() { # name, true or false: `--name` or `--no-name`
  local value
  value=$(truth "$1" "$2")
  case "$value" in
    true) flags+=("--$1") ;;
    false) flags+=("--no-$1") ;;
  esac
}

# All lines, split at white space; nothing of them is expanded.
more=()
read -r -d '' -a more <<<"$ACTION_ARGUMENTS" || true
strict=$(truth strict "$ACTION_STRICT")
wants_plan=$(truth plan "$ACTION_PLAN")
matcher=$(truth problem-matcher "$ACTION_PROBLEM_MATCHER")
smart=$(lower "$ACTION_SMART_EXECUTION")
flag config-file "$ACTION_CONFIG_FILE"
case "$ACTION_COMMAND" in
  run | plan)
    flag base "$ACTION_BASE"
    case "$smart" in
      false) flags+=(--no-smart-execution) ;;
      *) flag smart-execution "$smart" ;;
    esac
    switch parallel "$ACTION_PARALLEL"
    switch multi-stage "$ACTION_MULTI_STAGE"
    switch ml-optimize "$ACTION_ML_OPTIMIZE"
    flag skip-policy "$ACTION_SKIP_POLICY"
    flag fail-fast "$ACTION_FAIL_FAST"
    [ "$strict" != true ] || flags+=(--strict)
    flag steps "$ACTION_STEPS"
    flag stage "$ACTION_STAGE"
    flag tag "$ACTION_TAG"
    flag jobs "$ACTION_JOBS"
    flag cache "$ACTION_CACHE"
    flag ai "$ACTION_AI"
    ;;
esac

if [ "$ACTION_COMMAND" = run ] && [ "$wants_plan" = true ]; then
  # GitHub takes a mebibyte of outputs. A plan that fails is told by the run; arguments that only a run takes make none.
  if plan=$("$WF" plan --json "${flags[@]}" "${more[@]}" 2>/dev/null | tr -d '\n') && [ ${#plan} -lt 500000 ]; then
    printf 'plan=%s\n' "$plan" >>"$GITHUB_OUTPUT"
  fi
fi

# The plan is the whole one; a run takes its share of it.
[ "$ACTION_COMMAND" != run ] || flag shard "$ACTION_SHARD"

if [ "$matcher" = true ]; then
  echo "::add-matcher::$SOURCE/.github/action/problem-matcher.json"
  export WF_ANNOTATIONS=off
fi

exec "$WF" "$ACTION_COMMAND" "${flags[@]}" "${more[@]}"
