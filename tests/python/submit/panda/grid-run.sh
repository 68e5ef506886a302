#!/bin/bash
# Processes the files of one job: run.sh FILESET.json FILE,FILE,...; made by `hep-run submit`.
set -euo pipefail
fileset=$(<"$1")
files="\"${2//,/\",\"}\""
printf '%s%s%s\n' "${fileset%%'"@FILES@"'*}" "$files" "${fileset#*'"@FILES@"'}" > job-fileset.json
exec ./hep-run-HASH job-fileset.json --output output.root --workers "${ATHENA_CORE_NUMBER:-1}" --progress plain
