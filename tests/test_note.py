"""A note is a text that says what it is about."""

from __future__ import annotations

import copy
import json
import pickle
import warnings

import pytest

from vizcnn.errors import Note, PluginWarning, warn

NOTE = Note("The map of b.png is zero.", "zero", [1])


def test_note_is_its_text():
    assert NOTE == "The map of b.png is zero."
    assert {NOTE: 1}["The map of b.png is zero."] == 1
    assert json.loads(json.dumps([NOTE])) == ["The map of b.png is zero."]


def test_note_cannot_be_changed():
    for name, value in (("kind", "broken"), ("images", (2,)), ("other", 1)):
        with pytest.raises(AttributeError):
            setattr(NOTE, name, value)


@pytest.mark.parametrize("again", [lambda note: pickle.loads(pickle.dumps(note)), copy.deepcopy, copy.copy])
def test_copies_of_a_note_keep_what_it_is_about(again):
    assert again(NOTE).to_dict() == {"text": "The map of b.png is zero.", "kind": "zero", "images": [1]}


def test_warnings_are_made_of_notes_in_their_order():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn([NOTE, "Another."], PluginWarning)
    assert [(type(one.message), str(one.message)) for one in caught] == [
        (PluginWarning, NOTE),
        (PluginWarning, "Another."),
    ]
    assert type(caught[0].message.args[0]) is str
    assert caught[0].filename == __file__
