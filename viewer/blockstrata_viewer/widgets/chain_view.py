"""The chain view as a widget: shows the frame that painter.py draws, and turns the mouse into messages.

One widget draws the whole chain line by line, because that is several times quicker than a widget a layer
(benchmarks/frames.md, "From a key to its frame, ms").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from textual import events
from textual.message import Message

from blockstrata_viewer.draw.layout import ChainLayout, layout_of
from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.draw.painter import draw_chain
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.drawn import SceneWidget

_PAN = 4
"""Columns that one turn of the wheel pans."""


class ChainView(SceneWidget):
    """Shows a scene; posts what the mouse does to it."""

    DEFAULT_CSS = "ChainView { height: 1fr; width: 1fr; }"

    @dataclass
    class Turned(Message):
        """The mouse makes something else of the scene."""

        change: Callable[[Scene], Scene]
        jumps: bool = False
        """Whether where it leads away from is a place to go back to."""

    @dataclass
    class Hovered(Message):
        """The pointer is over a byte, or over none."""

        offset: int | None

    rows = 0
    """Rows that the chain and the extent table below it share; its own if 0."""
    _pressed: int | None = None
    """The byte at which the mouse was pressed, and still is."""
    _drags_window = False
    """Whether the mouse was pressed on the overview, and still is."""

    def layout_for(self, scene: Scene) -> ChainLayout:
        """Return where things stand for a scene in this widget."""
        return layout_of(scene, self.size.width, self.rows or self.size.height)

    def draw_scene(self, scene: Scene, _width: int, _height: int) -> list[Line]:
        """Return the lines."""
        return draw_chain(scene, self.layout_for(scene))

    def _offset_at(self, x: int, y: int) -> int | None:
        """Return the byte at a cell, on the overview that of the whole disk; None beside the strips."""
        scene = self.scene
        if scene is None or not scene.disk.size:
            return None
        layout = self.layout_for(scene)
        column = x - layout.label
        if not 0 <= column < scene.viewport.columns:
            return None
        viewport = scene.viewport.fit() if self._is_overview(scene, y) else scene.viewport
        return viewport.offset_of(column)

    def _is_overview(self, scene: Scene, y: int) -> bool:
        """Say whether a row is the overview's, or that of its window."""
        return y <= self.layout_for(scene).window

    def _look_at(self, x: int, *, jumps: bool = False) -> None:
        """Move the window to where a column of the overview is, or the nearest there is."""
        if scene := self.scene:
            column = max(0, min(x - self.layout_for(scene).label, scene.viewport.columns - 1))
            offset = scene.viewport.fit().offset_of(column)
            self._turn(lambda scene: scene.look_at(offset), jumps=jumps)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Place the cursor and choose the track; a click on a label only chooses."""
        scene = self.scene
        if scene is None or self.click_at(event):
            return
        if self._is_overview(scene, event.y) and event.x >= self.layout_for(scene).label:
            self._drags_window = True
            self.capture_mouse()
            self._look_at(event.x, jumps=True)
            return
        offset = self._offset_at(event.x, event.y)
        is_one = scene.disk.is_file and not scene.disk.uses
        selected = None if is_one else self.layout_for(scene).layer_at(event.y)
        if offset is not None or selected is not None:
            self._turn(lambda scene: _placed(scene, offset, selected), jumps=True)
        if offset is not None:
            self._pressed = offset
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Read off the byte under the pointer; with the button down, draw a range."""
        if self._drags_window:
            self._look_at(event.x)
            return
        offset = self._offset_at(event.x, event.y)
        if self._pressed is None:
            self.post_message(self.Hovered(offset))
        elif offset is not None and offset != self._pressed:
            markers = (self._pressed, offset)
            self._turn(lambda scene: replace(scene, markers=markers))

    def watch_scene(self, before: Scene | None, after: Scene | None) -> None:
        """Let go of a range that was begun on another disk."""
        if before is not None and after is not None and before.disk is not after.disk:
            self._let_go()

    def on_mouse_up(self) -> None:
        """Let go of the range, or of the window."""
        self._let_go()

    def _let_go(self) -> None:
        self._pressed, self._drags_window = None, False
        self.release_mouse()

    def on_leave(self) -> None:
        """Forget the pointer."""
        self.post_message(self.Hovered(None))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in about the pointer, or pan with shift."""
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out about the pointer, or pan with shift."""
        self._wheel(event, -1)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        """Pan to the left."""
        event.stop()
        self._turn(lambda scene: scene.pan(-_PAN))

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        """Pan to the right."""
        event.stop()
        self._turn(lambda scene: scene.pan(_PAN))

    def _wheel(self, event: events.MouseEvent, steps: int) -> None:
        event.stop()
        about = self._offset_at(event.x, event.y)
        if event.shift:
            self._turn(lambda scene: scene.pan(-_PAN * steps))
        elif about is not None:
            self._turn(lambda scene: scene.zoom(steps, about))

    def _turn(self, change: Callable[[Scene], Scene], *, jumps: bool = False) -> None:
        self.post_message(self.Turned(change, jumps))


def _placed(scene: Scene, offset: int | None, selected: int | None) -> Scene:
    """Return a scene with the cursor at a byte and a track selected, where there is one."""
    there = scene if offset is None else scene.go_to(offset)
    return there if selected is None else there.select(selected)
