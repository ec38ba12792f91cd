#!/bin/sh
# Starts a program of Prospect: worker-entrypoint dist/worker/main.js --flag…
# The CUDA image trains on the GPU or not at all: a pod without one would crawl along on the CPU, and nobody would know.
set -eu
cd /opt/prospect
if [ "$PROSPECT_TENSORFLOW" = cuda ]; then node dist/deploy/images/require-gpu.js; fi
exec node "$@"
