"""A step that is run again after a crash: its child is submitted once."""

import asyncio
from collections.abc import Callable
from typing import Any

import plumpy
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ToContext, WorkChain
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.orm.utils import serialize
from plumpy import ProcessState

from workflows.replay import ReplaySafe


class Child(WorkChain):
    """Does nothing."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the outline."""
        super().define(spec)
        spec.outline(cls.nothing)

    def nothing(self) -> None:
        """Do nothing."""


class Parent(ReplaySafe):
    """Submits two children a round, in two rounds; the second child has the label that AiiDA gives by itself."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the outline."""
        super().define(spec)
        spec.outline(cls.first_round, cls.second_round)

    def first_round(self) -> Any:
        """Submit both."""
        named = self.submit(Child, metadata={"call_link_label": "round_1"})
        return ToContext(named=named, other=self.submit(Child))

    def second_round(self) -> Any:
        """Submit both again: not a replay, so that the second is another child of the same label."""
        named = self.submit(Child, {"metadata": {"call_link_label": "round_2"}})
        return ToContext(named=named, other=self.submit(Child))


@pytest.fixture
def parent(aiida_profile: Any) -> Parent:
    return instantiate_process(get_manager().get_runner(), Parent)


def children_of(process: Parent) -> list[tuple[str, int]]:
    calls = process.node.base.links.get_outgoing(link_type=(LinkType.CALL_CALC, LinkType.CALL_WORK)).all()
    return sorted((call.link_label, call.node.pk) for call in calls)


def submit_named(process: Parent) -> orm.ProcessNode:
    return process.submit(Child, metadata={"call_link_label": "round_1"})


def take_step(process: Parent, step: Callable[[Parent], Any]) -> Any:
    """Run a step as the engine does, in whose scope what is submitted is a child."""
    with process._process_scope():
        return step(process)


def checkpoint_of(process: Parent) -> str:
    return serialize.serialize(plumpy.Bundle(process))


def from_checkpoint(checkpoint: str) -> Parent:
    runner = get_manager().get_runner()
    return serialize.deserialize_unsafe(checkpoint).unbundle(plumpy.LoadSaveContext(loop=runner.loop, runner=runner))


def run_children(process: Parent) -> None:
    """Let what was submitted end: this profile has no broker, so that they run in the loop of this test."""
    for _, pk in children_of(process):
        get_manager().get_runner().loop.run_until_complete(ended(orm.load_node(pk)))


async def ended(node: orm.ProcessNode) -> None:
    while not node.is_terminated:
        await asyncio.sleep(0.01)


def test_an_interrupted_step_takes_up_what_it_had_submitted(parent: Parent) -> None:
    checkpoint = checkpoint_of(parent)
    take_step(parent, Parent.first_round)
    run_children(parent)
    submitted = children_of(parent)
    assert len(submitted) == 2

    again = from_checkpoint(checkpoint)
    take_step(again, Parent.first_round)
    assert children_of(again) == submitted
    messages = [log.message for log in orm.Log.collection.get_logs_for(again.node)]
    assert [f"Child<{pk}> was submitted before an interruption" in " ".join(messages) for _, pk in submitted] == [
        True,
        True,
    ]


def test_a_step_that_was_interrupted_between_two_submissions_makes_the_second(parent: Parent) -> None:
    checkpoint = checkpoint_of(parent)
    first = take_step(parent, submit_named)
    run_children(parent)
    again = from_checkpoint(checkpoint)
    take_step(again, Parent.first_round)
    labels = [label for label, _ in children_of(again)]
    assert labels == ["CALL", "round_1"]
    assert ("round_1", first.pk) in children_of(again)


def test_the_same_label_in_a_later_step_is_another_child(parent: Parent) -> None:
    take_step(parent, Parent.first_round)
    run_children(parent)
    later = from_checkpoint(checkpoint_of(parent))
    take_step(later, Parent.second_round)
    assert [label for label, _ in children_of(later)] == ["CALL", "CALL", "round_1", "round_2"]


@pytest.mark.parametrize("state", [ProcessState.CREATED, ProcessState.EXCEPTED])
def test_a_child_that_never_got_a_checkpoint_is_made_anew(parent: Parent, state: ProcessState) -> None:
    stillborn = orm.WorkChainNode()
    stillborn.base.links.add_incoming(parent.node, LinkType.CALL_WORK, "round_1")
    stillborn.set_process_state(state)
    if state is ProcessState.EXCEPTED:
        stillborn.set_exception(f"PersistenceError: Calculation<{stillborn.pk}> does not have a saved checkpoint")
    stillborn.store()
    node = take_step(parent, submit_named)
    assert node.pk != stillborn.pk
    get_manager().get_runner().loop.run_until_complete(ended(node))


def test_one_that_waits_with_a_checkpoint_is_taken_up(parent: Parent) -> None:
    waiting = orm.WorkChainNode()
    waiting.base.links.add_incoming(parent.node, LinkType.CALL_WORK, "round_1")
    waiting.set_process_state(ProcessState.WAITING)
    waiting.store()
    waiting.set_checkpoint("a checkpoint")
    assert take_step(parent, submit_named).pk == waiting.pk
