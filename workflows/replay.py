"""Submission of children that survives a crash: a step that is run again takes the child it had submitted before."""

from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import WorkChain

_CALLS = (LinkType.CALL_CALC, LinkType.CALL_WORK)
# What aiida-core writes on a process that was stored but never got a checkpoint, when the daemon comes to it.
_NEVER_STARTED = "does not have a saved checkpoint"


class ReplaySafe(WorkChain):
    """WorkChain whose children are submitted once, also when its worker is killed between submission and checkpoint.

    AiiDA writes a WorkChain's checkpoint after a step. A worker that dies within the step leaves the submitted child
    behind, which goes on, and the step is run again from the checkpoint before: it would submit the child twice. The
    child, however, is in the graph with its CALL link before it starts, and the context, which belongs to the
    checkpoint, knows only the children of the steps that were completed: the difference are the orphans.
    """

    def submit(self, process: Any, inputs: dict[str, Any] | None = None, **kwargs: Any) -> orm.ProcessNode:
        """Submit a child, or return the one that this very step submitted before a crash.

        Parameters
        ----------
        process, inputs, **kwargs
            As for `aiida.engine.WorkChain.submit`; children are told apart by ``metadata.call_link_label``.

        Returns
        -------
        ProcessNode
        """
        known = list(self.ctx.get("submitted", []))
        metadata = (inputs or kwargs).get("metadata") or {}
        node = self._orphan(metadata.get("call_link_label", "CALL"), known)
        if node is None:
            node = super().submit(process, inputs, **kwargs)
        else:
            self.report(f"{node.process_label}<{node.pk}> was submitted before an interruption and is taken up")
        self.ctx.submitted = [*known, node.pk]
        return node

    def _orphan(self, label: str, known: list[int]) -> orm.ProcessNode | None:
        """Return the child of that label which the checkpoint does not know, unless it can never run."""
        calls = self.node.base.links.get_outgoing(orm.ProcessNode, link_type=_CALLS, link_label_filter=label)
        children: list[Any] = calls.all_nodes()
        for child in sorted(children, key=lambda node: node.pk):
            can_run = child.is_terminated or child.checkpoint is not None
            if child.pk not in known and can_run and _NEVER_STARTED not in (child.exception or ""):
                return child
        return None
