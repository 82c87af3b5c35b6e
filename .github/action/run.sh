#!/usr/bin/env bash
# Runs wf with what the inputs say. They come as variables and go as arguments: nothing of them is evaluated.
set -euo pipefail
cd -- "$ACTION_DIRECTORY"

flags=()
flag() { # name, value: `--name=value`, if there is a value
  [ -z "$2" ] || flags+=("--$1=$2")
}
switch() { # name, true or false: `--name` or `--no-name`
  case "$2" in
    true) flags+=("--$1") ;;
    false) flags+=("--no-$1") ;;
    '') ;;
    *)
      printf 'the input %s takes true or false, not %q\n' "$1" "$2" >&2
      exit 2
      ;;
  esac
}

read -ra more <<<"$ACTION_ARGUMENTS"
flag config-file "$ACTION_CONFIG_FILE"
case "$ACTION_COMMAND" in
  run | plan)
    flag base "$ACTION_BASE"
    case "$ACTION_SMART_EXECUTION" in
      false) flags+=(--no-smart-execution) ;;
      *) flag smart-execution "$ACTION_SMART_EXECUTION" ;;
    esac
    switch parallel "$ACTION_PARALLEL"
    switch multi-stage "$ACTION_MULTI_STAGE"
    switch ml-optimize "$ACTION_ML_OPTIMIZE"
    flag skip-policy "$ACTION_SKIP_POLICY"
    flag fail-fast "$ACTION_FAIL_FAST"
    [ "$ACTION_STRICT" != true ] || flags+=(--strict)
    flag steps "$ACTION_STEPS"
    flag stage "$ACTION_STAGE"
    flag tag "$ACTION_TAG"
    flag jobs "$ACTION_JOBS"
    flag cache "$ACTION_CACHE"
    flag ai "$ACTION_AI"
    ;;
esac

if [ "$ACTION_COMMAND" = run ] && [ "$ACTION_PLAN" = true ]; then
  # GitHub takes a mebibyte of outputs. A plan that fails is told by the run.
  if plan=$("$WF" plan --json "${flags[@]}" 2>/dev/null | tr -d '\n') && [ ${#plan} -lt 500000 ]; then
    printf 'plan=%s\n' "$plan" >>"$GITHUB_OUTPUT"
  fi
fi

# The plan is the whole one; a run takes its share of it.
[ "$ACTION_COMMAND" != run ] || flag shard "$ACTION_SHARD"

if [ "$ACTION_PROBLEM_MATCHER" = true ]; then
  echo "::add-matcher::$SOURCE/.github/action/problem-matcher.json"
  export WF_ANNOTATIONS=off
fi

exec "$WF" "$ACTION_COMMAND" "${flags[@]}" "${more[@]}"
