"""Every door has a keeper."""

from records.actors import Permission
from web.access import Applicant, Public, Staff
from web.routes import ROUTES

OPEN_TO_ALL = {
    ("GET", "/"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/healthz"),
    ("GET", "/i/{token}"),
    ("POST", "/i/{token}"),
}


def test_only_the_listed_doors_are_open_to_all() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.access == Public()} == OPEN_TO_ALL


def test_no_route_stands_twice() -> None:
    doors = [(route.method, route.path) for route in ROUTES]
    assert len(doors) == len(set(doors))


def test_applicants_reach_nothing_of_staffs() -> None:
    for route in ROUTES:
        if route.access == Applicant():
            assert route.path.startswith("/hearing"), route


def test_money_moves_only_by_permission() -> None:
    needed = {route.path: route.access for route in ROUTES if route.method == "POST"}
    assert needed["/batches/{batch_id}/release"] == Staff(Permission.RELEASE_BATCH)
    assert needed["/cases/{case_id}/approve"] == Staff(Permission.APPROVE_AID)
    assert needed["/batches"] == Staff(Permission.DRAFT_BATCH)
    assert needed["/answers"] == Staff(Permission.TAKE_BANK_ANSWER)
