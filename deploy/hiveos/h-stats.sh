#!/usr/bin/env bash
# Sourced by the agent of Hive OS, which takes khs and stats. rminer has them ready made; no log is read.
# shellcheck disable=SC2034 # both are for the agent
raw=$(curl -s --max-time 2 http://127.0.0.1:4077/compat/hive)
khs=$(jq -r '.khs // 0' <<<"$raw"); stats=$(jq -c '.stats // null' <<<"$raw")
[[ -z $khs ]] && khs=0; [[ -z $stats ]] && stats=null
