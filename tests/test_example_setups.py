"""The set-up files of examples/setup: what `verdi` is given fits what hts and AiiDA have."""

from pathlib import Path

import pytest
import yaml
from aiida.plugins import SchedulerFactory, TransportFactory

from hts.store.codes import CODES

FOLDER = Path(__file__).parents[1] / "examples" / "setup"
COMPUTER = yaml.safe_load((FOLDER / "slurm-computer.yaml").read_text())


def test_the_computer_takes_the_scheduler_that_submits_once() -> None:
    assert SchedulerFactory(COMPUTER["scheduler"]).__name__ == "SlurmScheduler"
    assert COMPUTER["scheduler"] == "hts.slurm"
    assert "{tot_num_mpiprocs}" in COMPUTER["mpirun_command"] and COMPUTER["work_dir"].startswith("/")


def test_the_connection_has_the_options_of_its_transport() -> None:
    options = yaml.safe_load((FOLDER / "slurm-ssh.yaml").read_text())
    transport = TransportFactory(COMPUTER["transport"])
    assert set(options) <= set(transport.get_valid_auth_params())


@pytest.mark.parametrize("label", CODES)
def test_each_code_has_its_plugin(label: str) -> None:
    code = yaml.safe_load((FOLDER / f"{label}.yaml").read_text())
    executable, plugin = CODES[label]
    assert (code["label"], code["computer"]) == (label, COMPUTER["label"])
    assert code["default_calc_job_plugin"] == plugin
    assert Path(code["filepath_executable"]).name == executable
