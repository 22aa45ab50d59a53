"""What faults have cost, on the page of their experiment."""

from __future__ import annotations

from suite.record.host import Cluster
from suite.record.outcome import Failed, Reason
from suite.report.sections import runs, speed
from suite.report.sections.main import main
from suite.report.study import Study
from tests.record.examples import faulted, record, specification
from tests.report.worlds import studied as study_of

HERE = Cluster(name="local", kind="measured", asked={"gloo_timeout_seconds": 20})


def faults_of_one() -> Study:
    went_on = faulted(cluster=HERE)
    lost = faulted(cluster=HERE, repetition=1, outcome=Failed(reason=Reason.HUNG, message="no end"))
    undisturbed = record(specification(workers=3))
    return study_of(went_on, lost, undisturbed)


def test_the_answer_is_seconds_and_samples() -> None:
    study = faults_of_one()
    (experiment,) = study.experiments
    found = main(experiment, study)
    assert found.answer == "1 of 2 runs went on after a fault: in 3.50 s, with 24 samples lost."
    assert found.table is not None
    (row,) = found.table.rows
    assert dict(zip([column.key for column in found.table.columns], [entry.text for entry in row], strict=True)) == {
        "faults": "kill:rank=1,step=1",
        "algorithm": "synchronous",
        "recovered": "1 of 2",
        "recover_seconds": "3.50",
        "notice_seconds": "2.00",
        "gloo_timeout_seconds": "20",
        "samples_lost": "24",
    }


def test_a_run_whose_workers_changed_has_no_speed() -> None:
    study = faults_of_one()
    arms = {arm.setting.faults: arm for arm in study.experiments[0].arms}
    assert arms["kill:rank=1,step=1"].timed == () and arms["none"].timed
    assert speed.table(study.experiments[0], study) is not None


def test_faults_have_a_column_only_where_there_are_some() -> None:
    (experiment,) = study_of(record()).experiments
    assert "faults" not in [column.key for column in runs.table(experiment).columns]
    assert "faults" in [column.key for column in runs.table(faults_of_one().experiments[0]).columns]
