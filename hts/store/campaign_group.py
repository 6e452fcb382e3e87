"""The typed group that holds the screenings of one campaign."""

from aiida.orm import Group


class CampaignGroup(Group):
    """One campaign; its label is the campaign's name, its members are screening processes."""
