"""One process of the collective bench's other side: gloo_rank.py STORE RANK WORLD_SIZE.

Reads one JSON object per line, {"kind": "allReduce" | "allGather", "bytes": n, "iterations": k}, and answers each with
{"milliseconds": what each iteration took here, "cpuMilliseconds": what this process computed for all}. Ends with its input.
"""

import json
import sys
import time

import torch
import torch.distributed as dist

store, rank, world_size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)

key, buffer, gathered = None, None, None
for line in sys.stdin:
    command = json.loads(line)
    if key != (command["kind"], command["bytes"]):
        key = (command["kind"], command["bytes"])
        buffer = torch.zeros(command["bytes"] // 4)
        gathered = [torch.zeros_like(buffer) for _ in range(world_size)] if command["kind"] == "allGather" else None
    milliseconds, cpu_start = [], time.process_time()
    for _ in range(command["iterations"]):
        dist.barrier()
        start = time.perf_counter()
        if gathered is None:
            dist.all_reduce(buffer)
        else:
            dist.all_gather(gathered, buffer)
        milliseconds.append(1000 * (time.perf_counter() - start))
    cpu = 1000 * (time.process_time() - cpu_start)
    print(json.dumps({"milliseconds": milliseconds, "cpuMilliseconds": cpu}), flush=True)
dist.destroy_process_group()
