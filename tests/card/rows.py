"""What a certificate chooser on this desktop offers, in JSON: for each row whether it is selected, subject, issuer."""

import json

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402


def below(node):
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            yield child
            yield from below(child)


rows = []
for dialog in below(Atspi.get_desktop(0)):
    if dialog.get_role() == Atspi.Role.DIALOG and dialog.get_name() == "Select a certificate":
        for row in below(dialog):
            cells = [cell.get_name() for cell in below(row) if cell.get_role() == Atspi.Role.TABLE_CELL]
            if row.get_role() == Atspi.Role.TABLE_ROW and cells:
                rows.append([row.get_state_set().contains(Atspi.StateType.SELECTED), *cells[:2]])
print(json.dumps(rows))
