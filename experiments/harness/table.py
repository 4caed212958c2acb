"""The table of published and measured figures: `experiments/README.md`, from `experiments/measured/*.json`.

    python -m experiments table                       writes the table again
    python -m experiments table --collect results     first takes over what newer runs have left there

What is collected is small: settings, seeds, versions, device and figures, no curves, no names of folders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from experiments.auditing import page
from experiments.harness import catalogue, results
from experiments.harness.results import Figure
from fnnets.data import DataNotFoundError

HERE = Path(__file__).parents[1]
HEAD = """<!-- Written by `python -m experiments table`; do not edit. -->

# Published figures, and what fnnets measures

Each row can be measured again by its command. Where seeds are given, a figure is the mean over them ± the sample
standard deviation; "best of 3 runs" is the best of every three seeds, and the mean of those. A bar is what the project
set itself, and is *reached* or *missed*. Experiments, data and times: `python -m experiments --list`.
MNIST is found by `--data-dir` or the environment variable `FNNETS_DATA`. What stands in brackets, such as
[Nielsen2015], is in the [list of references](../REFERENCES.md).

"""
AUDITED = HERE / "auditing" / "measured"
AUDIT = """# Derivative rules of public libraries

`python -m experiments audit` runs `fn.verify.audit` over calls that reach the rules of each library, at an ordinary
point each and at special points. What differs, why, and the smallest program of each fault:
[auditing](auditing/README.md).

"""
COLUMNS = ("figure", "published", "measured", "bar")
NOTES = {
    "nielsen": "[Nielsen2015]; MNIST, 50 000 images to train with, 10 000 for validation, 10 000 for test, pixels / "
    "256, batches of 10. The book's figures come from single runs, mostly their best epoch. Beside each stands the "
    "figure at the last epoch, which nothing was selected by; of rows judged on validation images also the test "
    "accuracy at the best validation epoch. The network [784, 100, 10] with large weights and quadratic cost depends "
    "on luck: in most runs some digits are never learnt, as in a footnote in the book.",
    "digits": "Beside the network stands scikit-learn's SVC(gamma=.001), 96.89 % in the same split.",
    "reber": "[Hochreiter1997], table 1; the published row of the simple network is of the kind of [Elman1990], whose "
    "gradient is cut after one step. The gradient of this LSTM is the whole one, theirs is cut at the gates: the same "
    "success is expected, not the same counts.",
    "adding": "[Hochreiter1997], experiment 4, 2 blocks of 2 cells trained online; its 0.04 is 0.08 on this scale of "
    "targets. The norm of δ is that of the gradient of the state.",
    "sequence_digits": "Beside the networks stands scikit-learn's SVC(gamma=.001), 96.89 % in the same split, from "
    "whole images.",
    "characters": "First 90 % of the text to train, last 10 % to test. For tiny Shakespeare, nanoGPT's README names "
    "1.88 of a small transformer on a CPU. The 5-gram, 4 characters of context, is published as a 4-gram. Python's "
    "help topics differ between its versions.",
    "rbm_likelihood": "pcd-1: J. Melchior's PyDeep, single runs. cd-20: [Salakhutdinov2008], whose settings are not "
    "all known. lisa: deeplearning.net's tutorial on restricted Boltzmann machines; its figures are estimates from one "
    "pixel an image along an epoch, those measured are over all pixels at the epoch's end. MNIST binary at 0.5, 60 000 "
    "images to train with, 50 000 for lisa; log Z is a sum over all hidden states.",
    "rbm_features": "scikit-learn's example of BernoulliRBM. Moved copies of a digit fall on both sides of the split.",
    "autoencoder": "[Hinton2006b]: all 60 000 images to train with, pixels / 255. The published autoencoder is "
    "pretrained for 50 epochs an RBM and fine-tuned by conjugate gradients for 200 epochs.",
    "codes": "Of [Hinton2006b], figure 3, which is a picture. No label takes part in training.",
    "pretraining": "Without pretraining a deep autoencoder reconstructs the average image: [Hinton2006b]. "
    "[Sutskever2013], table 1: its figures are those after 750 000 updates; here the ordering is looked at, far "
    "earlier.",
    "saturation": "The outputs after 300 steps are those of [Nielsen2015], chapter 3.",
}


@dataclass(frozen=True)
class Options:
    """Write the table of published and measured figures.

    Attributes:
        collect: folder with results of runs whose figures replace those in the table.
        measured: folder of the collected figures.
        readme: the file to write.
    """

    collect: Path | None = None
    measured: Path = HERE / "measured"
    readme: Path = HERE / "README.md"


def run(options: Options) -> int:
    """Collect where a folder is given, then write the table."""
    name, source = ("measured", options.measured) if options.collect is None else ("collect", options.collect)
    if not source.is_dir():
        raise DataNotFoundError(f"{name} is {source}, expected a folder of results; give one")
    if options.collect is not None:
        print(f"collected {collect(options.collect, options.measured)} files into {options.measured}")
    contents = load(options.measured)
    results.replace(options.readme, lambda temporary: temporary.write_text(markdown(contents), encoding="utf-8"))
    print(f"{options.readme}: {sum(len(each['figures']) for each in contents)} figures of {len(contents)} runs")
    return 0


def collect(source: Path, measured: Path) -> int:
    """Copy the small part of every record below `source`; returns how many there were."""
    count = 0
    for path in sorted(source.glob("*/*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and {"command", "figures"} <= set(content):
            content.pop("curves", None)
            results.save_json(content, measured / path.name)
            count += 1
    return count


def load(measured: Path) -> list[dict[str, Any]]:
    """The collected records, in the order of the catalogue, then by name."""
    order = [entry.name for entry in catalogue.ENTRIES]
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(measured.glob("*.json"))]
    return sorted(contents, key=lambda content: (order.index(_experiment(content)), content["name"]))


def markdown(contents: list[dict[str, Any]]) -> str:
    """The table as Markdown: a section for each experiment, a table for each run.

    >>> print(markdown([]).splitlines()[2])
    # Published figures, and what fnnets measures
    """
    parts, last = [HEAD, _summary(contents), "# Every run\n\n"], ""
    for content in contents:
        experiment = _experiment(content)
        if experiment != last:
            parts.append(f"## {experiment}\n\n")
            if experiment in NOTES:
                parts.append(NOTES[experiment] + "\n\n")
        parts.append(_run(content))
        last = experiment
    audited = page.contents(AUDITED)
    if audited and contents:
        parts.append(AUDIT + page.table(audited))
    return "".join(parts).rstrip() + "\n"


def figure(content: Mapping[str, Any]) -> Figure:
    """A figure from its JSON; null, which stands for a number that is not finite, becomes infinity."""
    chosen = {field.name: content[field.name] for field in fields(Figure)}
    values = tuple(float("inf") if value is None else value for value in content["values"])
    return Figure(**{**chosen, "values": values})


def _experiment(content) -> str:
    return content["command"].split()[3]


def _run(content) -> str:
    seeds = f"Seeds {', '.join(map(str, content['seeds']))}. " if content["seeds"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    lines = [
        f"**{content['title']}** · `{content['command']}`", "",
        f"{seeds}{_settings(content['settings'])}. {content['device']}; {versions}.", "",
        "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|",
    ]  # fmt: skip
    return "\n".join([*lines, *(_row(figure(each)) for each in content["figures"])]) + "\n\n"


def _summary(contents) -> str:
    """One line for every figure that stands beside a published one."""
    columns = ("run", *COLUMNS, "seeds")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for content in contents:
        seeds = ", ".join(map(str, content["seeds"]))
        shown = [each for each in map(figure, content["figures"]) if each.published is not None]
        lines += [f"| {_cell(content['title'])} {_row(each)} {seeds} |" for each in shown]
    return "\n".join(lines) + "\n\n"


def _row(each: Figure) -> str:
    published = "" if each.published is None else f"{each.published:{each.form}} {each.unit}".strip()
    bar = f"{_bar(each)}: {each.verdict}" if each.verdict else ""
    return f"| {_cell(each.name)} | {_cell(published)} | {_cell(results.measured(each))} | {bar} |"


def _cell(text: str) -> str:
    r"""Text in a cell of a table, whose ends `|` marks.

    >>> print(_cell("conv5-4 | fc-10"))
    conv5-4 \| fc-10
    """
    return text.replace("|", r"\|")


def _bar(each: Figure) -> str:
    low = None if each.low is None else f"{each.low:g}"
    high = None if each.high is None else f"{each.high:g}"
    if low == high:
        return f"exactly {low}"
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"


def _settings(settings: Mapping[str, Any]) -> str:
    chosen = {name: value for name, value in settings.items() if value is not None}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in chosen.items())
