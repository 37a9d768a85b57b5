#!/usr/bin/env bash
# Started by the agent of Hive OS in the folder of the package.
cd "$(dirname "$0")" || exit 1
# shellcheck disable=SC1091 # it lies beside this file
. ./h-manifest.conf
mkdir -p "$(dirname "$CUSTOM_LOG_BASENAME")"
./rminer mine --config "$CUSTOM_CONFIG_FILENAME" --ui lines 2>&1 | tee --append "$CUSTOM_LOG_BASENAME.log"
exit "${PIPESTATUS[0]}"
