"""The explorer opens, shows its views by their links, and answers what is asked."""

from __future__ import annotations

import socket

from playwright.sync_api import Browser, expect

import vizcnn as vz
from tests.explorer.look import Look, ask
from vizcnn.explorer import Server


def test_a_view_stands_behind_its_link_and_back_goes_back(look: Look) -> None:
    expect(look.page).to_have_title("digits_cnn.keras, vizcnn explorer")
    for view in ("Network", "Image"):
        look.page.get_by_role("navigation").get_by_role("link", name=view).click()
        look.settle()
        assert look.page.locator("nav [aria-current=page]").inner_text() == view
    look.page.go_back()
    look.settle()
    assert look.page.locator("nav [aria-current=page]").inner_text() == "Network"


def test_facts_are_the_model_s(digits: Server, nested: Server) -> None:
    facts = ask(digits, "api/facts").facts
    assert facts["model"]["name"] == "digits_cnn.keras"
    assert facts["model"]["labels"] == list("0123456789")
    assert facts["images"] == 10
    assert {"gradcam", "saliency"} <= {method["name"] for method in facts["methods"]} <= set(vz.methods())
    assert ask(nested, "api/facts").facts["images"] == 2


def test_a_link_to_nowhere_shows_the_first_view(browser: Browser, digits: Server) -> None:
    with Look(browser, digits, "#/nowhere/at/all?x=1") as look:
        assert look.page.locator("nav [aria-current=page]").inner_text() == "Image"


def test_what_is_small_is_sent_at_once(look: Look) -> None:
    held = [one.transport.get_extra_info("socket") for one in look.server._server.server_state.connections]
    assert held
    assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in held)
