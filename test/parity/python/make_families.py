"""Makes test/parity/fixtures/families: tiny random models of families that golden/ does not cover,
and what transformers computes with them.

    python make_families.py [OUT]

Made with torch 2.15.0, transformers 5.24.0, peft 0.21.2, safetensors 0.8.0 (CPU, one thread). For each model:
  config.json, model.safetensors   as a user may have them
  facts.json                       sequences, token log-probs, some logits, and of the gradient of the mean negative
                                   log-likelihood of all completion tokens: each tensor's norm and some of its entries
  lora/                            for some: an adapter as PEFT saves it, and the same facts with it
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY = 64
LENGTHS = [(30, 11), (9, 4), (21, 1)]  # of each sequence, and of its prompt
ENTRIES = 6  # of each gradient

COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "float32",
}

GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 32,
    "bos_token_id": 0,
    "eos_token_id": 1,
}

# name -> config.json as it is written, and how the file differs from transformers' own
MODELS = {
    "llama3": {
        "config": {
            **COMMON,
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": True,
            "mlp_bias": True,
            "rope_theta": 100.0,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            },
        }
    },
    "llama_linear": {
        "config": {
            **COMMON,
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "num_key_value_heads": 4,
            "tie_word_embeddings": True,
            "rope_scaling": {"type": "linear", "factor": 2.0},
        }
    },
    "qwen2": {
        "config": {
            **COMMON,
            "model_type": "qwen2",
            "architectures": ["Qwen2ForCausalLM"],
            "tie_word_embeddings": True,
            "rope_theta": 1000000.0,
            "use_sliding_window": True,
            "sliding_window": 5,
            "max_window_layers": 1,
        }
    },
    "qwen3": {
        "config": {
            **COMMON,
            "model_type": "qwen3",
            "architectures": ["Qwen3ForCausalLM"],
            "head_dim": 8,
            "rope_theta": 1000000.0,
        },
        "own_style": True,
    },
    "gemma2": {
        "config": {
            **COMMON,
            "model_type": "gemma2",
            "architectures": ["Gemma2ForCausalLM"],
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 5,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
            # torch.nn.Embedding gives its padding row no gradient, even where the token stands in the text.
            "pad_token_id": None,
        },
        "own_style": True,
    },
    "gpt2_bare": {
        "config": {
            **GPT2,
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            "n_inner": 40,
            "scale_attn_by_inverse_layer_idx": True,
            "torch_dtype": "float16",
        },
        "dtype": torch.float16,
        "rename": ("transformer.", ""),
    },
    "gpt_neox_sequential": {
        "config": {
            **{key: COMMON[key] for key in COMMON if key not in ("num_key_value_heads", "rms_norm_eps")},
            "model_type": "gpt_neox",
            "architectures": ["GPTNeoXForCausalLM"],
            "num_attention_heads": 2,
            "hidden_act": "gelu_new",
            "attention_bias": False,
            "use_parallel_residual": False,
            "rotary_pct": 0.5,
            "rotary_emb_base": 1000,
        },
        "dtype": torch.bfloat16,
        "rename": ("lm_head.", "embed_out."),
    },
}


ADAPTERS = {
    "gpt2_bare": {"r": 3, "lora_alpha": 5, "target_modules": "all-linear", "use_rslora": True},
    "gpt_neox_sequential": {"r": 2, "lora_alpha": 4, "target_modules": ["query_key_value", "dense_4h_to_h"]},
    "qwen3": {"r": 2, "lora_alpha": 3, "target_modules": r".*layers\.1\..*\.(q|v)_proj"},
}


def initialize(model, seed):
    """Wide enough that every path shows in the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name or "ln_" in name:
            center = 0.0 if name.endswith("bias") or model.config.model_type == "gemma2" else 1.0
            parameter.data.copy_(center + 0.2 * noise)
        elif name.endswith("bias"):
            parameter.data.copy_(0.1 * noise)
        else:
            parameter.data.copy_(0.3 * noise)


def sequences(seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        {"ids": torch.randint(0, VOCABULARY, (length,), generator=generator).tolist(), "completion_start": prompt}
        for length, prompt in LENGTHS
    ]


def numbers(tensor):
    return [float(f"{value:.9g}") for value in tensor.tolist()]


def facts(model, batch):
    """Each sequence alone, so that no padding takes part."""
    token_logps, logits = [], []
    for index, sequence in enumerate(batch):
        ids, start = torch.tensor([sequence["ids"]]), sequence["completion_start"]
        output = model(input_ids=ids, use_cache=False).logits[0]
        logps = output[:-1].log_softmax(-1).gather(1, ids[0, 1:, None])[start - 1 :, 0]
        token_logps.append(logps)
        for token in (start, len(sequence["ids"]) - 1):
            logits.append({"sequence": index, "token": token, "values": numbers(output[token].detach())})
    loss = -torch.cat(token_logps).mean()
    loss.backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        name = name.replace(".default.", ".")
        flat = parameter.grad.flatten()
        indices = sorted(set(torch.linspace(0, flat.numel() - 1, ENTRIES).long().tolist()))
        # Of a table of tokens, rows that the batch uses.
        if parameter.shape[0] == VOCABULARY:
            width = parameter.shape[1]
            indices = [token * width + token % width for token in sorted(set(batch[1]["ids"]))[:ENTRIES]]
        gradients[name] = {
            "norm": float(f"{flat.norm().item():.9g}"),
            "entries": [[index, float(f"{flat[index].item():.9g}")] for index in indices],
        }
    return {
        "sequences": batch,
        "token_logps": [numbers(logps.detach()) for logps in token_logps],
        "logits": logits,
        "loss": float(f"{loss.item():.9g}"),
        "gradients": gradients,
    }


def make(name, spec, seed, out):
    out.mkdir(parents=True, exist_ok=True)
    config = spec["config"]
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(out), attn_implementation="eager").float()
    initialize(model, seed)
    model.tie_weights()
    if spec.get("own_style"):
        model.config.save_pretrained(out)
        written = json.loads((out / "config.json").read_text())
        written["architectures"] = config["architectures"]
        (out / "config.json").write_text(json.dumps(written, indent=2) + "\n")
    source, target = spec.get("rename", ("", ""))
    tensors, seen = {}, set()
    for tensor_name, parameter in model.named_parameters():
        if parameter.data_ptr() not in seen:
            seen.add(parameter.data_ptr())
            stored = tensor_name.replace(source, target, 1) if source else tensor_name
            tensors[stored] = parameter.data.to(spec.get("dtype", torch.float32)).contiguous()
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    write_facts(load(out), seed, out)
    if name in ADAPTERS:
        make_adapter(name, seed, out)
    print(name, sum(tensor.numel() for tensor in tensors.values()), "parameters")


def make_adapter(name, seed, directory):
    out = directory / "lora"
    model = get_peft_model(load(directory), LoraConfig(task_type="CAUSAL_LM", **ADAPTERS[name])).eval()
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad:
            parameter.data.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(out)
    (out / "README.md").unlink()
    written = json.loads((out / "adapter_config.json").read_text())
    written["base_model_name_or_path"] = name
    if isinstance(written["target_modules"], list):
        written["target_modules"].sort()
    (out / "adapter_config.json").write_text(json.dumps(written, indent=2) + "\n")
    write_facts(model, seed, out)


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def write_facts(model, seed, out):
    (out / "facts.json").write_text(json.dumps(facts(model, sequences(seed)), indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    fixtures = Path(__file__).resolve().parent.parent / "fixtures" / "families"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else fixtures
    for number, (model_name, model_spec) in enumerate(MODELS.items()):
        make(model_name, model_spec, 100 + number, target / model_name)
