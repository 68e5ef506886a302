#!/bin/bash
# Waits for the jobs of a cluster, and merges: merge-0.sh CONDOR_WAIT CLUSTER.
set -euo pipefail
cd "/state"
"$1" logs/condor-0.log "$2"
exec ./hep-run-HASH merge .
