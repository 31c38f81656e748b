"""The route table names the route that Starlette would take, whatever the routes look like."""

from itertools import product
from typing import Any

from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match, Route

from app.observability.routing import RouteTable

SEGMENTS = ("a", "b", "{}", "{:int}", "a{}", "{:path}")
VALUES = ("a", "b", "ab", "7", "")
templates = st.lists(st.sampled_from(SEGMENTS), max_size=3).map(
    lambda chosen: "/" + "/".join(each.replace("{", f"{{p{n}") for n, each in enumerate(chosen))
)
PATHS = ["/" + "/".join(parts) for length in range(4) for parts in product(VALUES, repeat=length)]


def endpoint(request: Any) -> None:
    """Never called."""


def expected(routes: list[Route], path: str, method: str) -> str | None:
    """Ask each route, as Starlette's router does."""
    partial = None
    for route in routes:
        match, _ = route.matches({"type": "http", "method": method, "path": path, "headers": []})
        if match is Match.FULL:
            return route.path_format
        if match is Match.PARTIAL:
            partial = partial or route.path_format
    return partial


@given(
    st.lists(st.tuples(templates, st.sampled_from(["GET", "POST"])), max_size=6, unique_by=lambda each: each)
)
def test_the_table_finds_what_starlette_finds(chosen: list[tuple[str, str]]) -> None:
    routes = [Route(template, endpoint, methods=[method]) for template, method in chosen]
    table = RouteTable(routes)
    for path in PATHS:
        assert table.find(path, "POST", is_websocket=False) == expected(routes, path, "POST"), path


def test_of_a_thousand_routes_only_those_that_begin_alike_are_tried() -> None:
    app = FastAPI(openapi_url=None)
    for number in range(1000):
        app.add_api_route(f"/r{number}/{{item}}", endpoint)
    app.add_api_route("/{anything}/end", endpoint)
    table = RouteTable(app.router.routes)
    assert table.find("/r999/7", "GET", is_websocket=False) == "/r999/{item}"
    assert table.find("/other/end", "GET", is_websocket=False) == "/{anything}/end"
    assert len(list(table._candidates("/r999/7"))) == 2
