"""Fields in one file: what is rounded, what fits, what is refused, and training on it."""

import json
import shutil

import forks
import pytest
import torch
from safetensors.torch import save_file

from cdvae import cli
from cdvae.data import packed, packing, sources
from cdvae.data.fields import TASKS, Fields, task_named
from cdvae.data.sources import Source
from cdvae.guidance import targets
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.files import InputError

SIZES = (40, 10, 20)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A pack of the smoke profile, and how the command spoke of it."""
    path = tmp_path_factory.mktemp("packs") / "smoke.pack"
    command = ["pack", "--profile", "smoke", "--out", str(path)]
    done = forks.run("-m", "cdvae.cli", *command)
    assert done.returncode == 0, done.stderr
    return path, done.stdout


def splits_of(data: str, root, task: str) -> dict[str, Fields]:
    p = load_profile("smoke")
    source = Source(data, root, p.n_train, p.n_valid, p.n_test, p.data_seed)
    return sources.load(sources.plan(source, task_named(task)))


@pytest.mark.parametrize("task", TASKS)
def test_fields_come_back_rounded(pack, task):
    whole, found = splits_of("scenes", None, task), splits_of("packed", pack[0], task)
    for split, fields in whole.items():
        assert found[split].ids == fields.ids and found[split].n_labels == fields.n_labels
        for layer in ("x_c", "x_g"):
            x, y = getattr(fields, layer), getattr(found[split], layer)
            bounded = 0 <= x.min() and x.max() <= 1
            most = 0.5001 / 255 if bounded else 0.0006 * float(x.abs().max())
            assert x.shape == y.shape and y.dtype == torch.float32
            assert 0 < (x - y).abs().max() <= most
        far = (fields.semantics - found[split].semantics).abs()
        assert fields.semantics.shape == far.shape and (far <= 0.0005 * fields.semantics).all()
        assert fields.semantics.count_nonzero() > 0


def test_the_command_says_what_is_in_it(pack):
    p, lines = load_profile("smoke"), pack[1].splitlines()
    for line, task in zip(lines, TASKS, strict=False):
        assert line.startswith(f"{task}: {p.n_train:,} of {p.n_train:,} training, {p.n_valid} ")
    assert lines[-1].endswith(f"MB; use --data packed --root {pack[0]}")


def test_training_on_a_pack_is_training_on_the_rounded_fields(pack, monkeypatch):
    """Bit for bit: scores, and the embedding that labels and boxes steer."""
    profile, run = load_profile("smoke"), Run("resaturation", "gauss", 0)
    ours = Experiment(profile, "packed", str(pack[0]), "cpu")
    model = ours.model(run)
    whole = Experiment(profile, "scenes", None, "cpu")

    def rounded(fields: Fields) -> Fields:
        layers = [packed.restored(packed.rounded(x)) for x in (fields.x_c, fields.x_g)]
        semantics = fields.semantics.half().float()
        return Fields(fields.task, *layers, semantics, fields.n_labels, fields.ids)

    kept = {split: rounded(fields) for split, fields in whole.fields(run.task).items()}
    monkeypatch.setattr(whole, "fields", lambda task: kept)
    monkeypatch.setattr(whole, "model_key", lambda run: "of-the-rounded-fields")
    monkeypatch.setattr(whole, "targets", lambda task, n: embedded(kept["train"], n, profile))
    for name, value in whole.model(run).state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def embedded(train: Fields, n_code: int, profile) -> torch.Tensor:
    layers = (train.x_c, train.x_g, train.semantics, train.n_labels)
    pair = targets(*layers, n_code, profile.guidance.semantic_weight)
    return torch.stack([torch.from_numpy(p) for p in pair])


BARE = """
import sys
without = {"cv2", "matplotlib", "PIL", "IPython", "ipykernel",
           "nbclient", "ipywidgets", "papermill", "skimage"}
for name in [name for name in sys.modules if name.partition(".")[0] in without]:
    del sys.modules[name]
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in without:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from cdvae import cli
common = ["--profile", "smoke", "--task", "relighting", "--data", "packed", "--root", sys.argv[1]]
for command in (["train", "--method", "mdn4"], ["evaluate", "--method", "nn"],
                ["evaluate", "--method", "mdn4"]):
    assert cli.main([*command, *common]) == 0, command
"""


def test_a_machine_without_pictures_and_notebooks_trains_and_scores(pack, tmp_path):
    done = forks.run("-c", BARE, str(pack[0]), CDVAE_OUTPUT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "best_error" in done.stdout


def test_keys_hang_on_what_a_pack_holds_and_not_on_its_place(pack, tmp_path):
    other = shutil.copy(pack[0], tmp_path / "other-name.pack")
    key = sources.plan(Source("packed", pack[0], *SIZES, 0), TASKS["motion"]).key
    assert key == sources.plan(Source("packed", other, *SIZES, 0), TASKS["motion"]).key
    data = bytearray(other.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    assert key != sources.plan(Source("packed", other, *SIZES, 0), TASKS["motion"]).key


def test_fewer_training_examples_are_packed_where_there_is_no_room(tmp_path):
    source = Source("scenes", None, *SIZES, 0)
    plans = [sources.plan(source, task_named(task)) for task in ("relighting", "motion")]
    sizes = {task: 1024 * factor for task, factor in (("relighting", 4), ("motion", 7))}
    room = 0.1 + 30 * sum(sizes.values()) / 1e6 + 25 * sum(sizes.values()) / 1e6
    lines = packing.pack(plans, tmp_path / "small.pack", "quick", room)
    assert (tmp_path / "small.pack").stat().st_size <= 1e6 * room
    for line in lines:
        n = int(line.split(": ")[1].split()[0])
        assert 15 <= n < 30 and line.endswith("10 validation and 20 test examples")
    assert lines[0].split()[1] == lines[1].split()[1]
    with pytest.raises(InputError, match=r"alone take 0\.\d MB: .*--mb"):
        packing.pack(plans, tmp_path / "none.pack", "quick", 0.2)
    assert not (tmp_path / "none.pack").exists()


def test_what_is_no_whole_pack_is_refused_in_a_sentence(pack, tmp_path, capsys):
    cut, none = tmp_path / "cut.pack", tmp_path / "none.pack"
    cut.write_bytes(pack[0].read_bytes()[:-1000])
    save_file({"a": torch.zeros(1)}, none)
    text = tmp_path / "text.pack"
    text.write_text("no tensors")
    absent = tmp_path / "absent.pack"
    for path, why in (
        *((cut, "is no whole pack"), (none, "is no pack"), (text, "is no whole pack")),
        *((absent, "no file"), (tmp_path, "no file")),
    ):
        asked = ["train", "--profile", "smoke", "--task", "motion", "--method", "gauss"]
        assert cli.main([*asked, "--data", "packed", "--root", str(path)]) == 2
        said = capsys.readouterr().err.strip()
        assert why in said and str(path) in said and "\n" not in said
    with pytest.raises(InputError, match="needs --root, the file"):
        Source("packed", None, *SIZES, 0)


def test_a_task_that_is_not_in_it_is_named(tmp_path):
    plans = [sources.plan(Source("scenes", None, *SIZES, 0), TASKS["relighting"])]
    packing.pack(plans, tmp_path / "one.pack", "quick", 60)
    source = Source("packed", tmp_path / "one.pack", *SIZES, 0)
    assert source.tasks() == ("relighting",)
    with pytest.raises(InputError, match="has no task 'motion': it has relighting"):
        sources.plan(source, TASKS["motion"])


def test_layers_beyond_8_bits_are_kept_in_half_precision_or_refused():
    assert packed.rounded(torch.tensor([0.0, 1.0])).dtype == torch.uint8
    assert packed.rounded(torch.tensor([-1.0, 1.0])).dtype == torch.float16
    with pytest.raises(InputError, match="not finite or beyond"):
        packed.rounded(torch.tensor([1e6]))


def test_rows_without_any_label_come_back():
    x = torch.zeros(5, 7)
    x[1, 3], x[4, 0], x[4, 6] = 0.5, 1.0, 0.25
    kept = packed.sparse(x)
    assert torch.equal(packed.dense(*kept.values(), 7), x)
    assert json.dumps(kept["counts"].tolist()) == "[0, 1, 0, 0, 2]"
