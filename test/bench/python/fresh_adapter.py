"""The LoRA adapter that kto_pytorch.py --mode lora starts from, as a PEFT directory: fresh_adapter.py MODEL OUT.

Its random matrices come from the same seed by the same calls in the same order, so that the two sides start from the same weights. Where
that stops being true, their losses part, and the bench says so.
"""

import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

model, out = sys.argv[1:]
torch.manual_seed(0)
base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).float()
config = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
get_peft_model(base, config).save_pretrained(out)
