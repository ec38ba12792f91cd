"""Loads what Prospect wrote in transformers and peft, and compares the log-probs there with Prospect's.

    npm run build
    node dist/test/parity/python/write-models.js OUT
    python check_saved.py OUT

Prints one line for each model: the largest difference of a token's log-prob, of the model, the adapter on its base, and the
merged model. Fails where one exceeds 1e-4, or where a file's tensors are not exactly those that transformers or peft want.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def load_model(directory):
    model, report = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    problems = {key: sorted(value) for key, value in report.items() if value}
    # Buffers that are no parameters, and heads that are tied, are none of a file's tensors.
    assert not problems, f"{directory}: {problems}"
    return model.eval()


def load_adapter(base, directory):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        model = PeftModel.from_pretrained(load_model(base), directory)
    return model.eval()


def largest_difference(model, sequences, expected):
    worst = 0.0
    for sequence, wanted in zip(sequences, expected, strict=True):
        ids, start = torch.tensor([sequence["ids"]]), sequence["completion_start"]
        with torch.no_grad():
            logps = model(input_ids=ids, use_cache=False).logits[0, :-1].log_softmax(-1)
        found = logps.gather(1, ids[0, 1:, None])[start - 1 :, 0]
        worst = max(worst, (found - torch.tensor(wanted)).abs().max().item())
    return worst


def main(out):
    failed = False
    for directory in sorted(path.parent for path in Path(out).glob("*/expected.json")):
        expected = json.loads((directory / "expected.json").read_text())
        base = (directory / "base.txt").read_text()
        models = {
            "model": load_model(directory / "model"),
            "adapter": load_adapter(base, directory / "adapter"),
            "merged": load_model(directory / "merged"),
        }
        differences = {
            name: largest_difference(model, expected["sequences"], expected[name]) for name, model in models.items()
        }
        failed = failed or max(differences.values()) > TOLERANCE
        print(f"{directory.name:20}", "  ".join(f"{name} {value:.1e}" for name, value in differences.items()))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
