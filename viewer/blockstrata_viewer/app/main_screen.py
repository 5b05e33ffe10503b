"""The main screen: what its keys do to the image on it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from blockstrata.errors import BlockstrataError
from blockstrata.semantics import by_name
from blockstrata_viewer.app.bindings import BINDINGS, KEYS_BY_ID, Search, help_keys
from blockstrata_viewer.app.commands import ViewerCommands
from blockstrata_viewer.app.forgetting import forget_lines
from blockstrata_viewer.app.image_pane import ImagePane
from blockstrata_viewer.app.lesson_guide import spot_of
from blockstrata_viewer.app.pages import PAGES, needs_all
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.app.shot import save
from blockstrata_viewer.draw.palette import THEMES, palette_for
from blockstrata_viewer.lessons.course import Course
from blockstrata_viewer.model.aim import left_out, view_command
from blockstrata_viewer.model.asking import NOT_YET, betrays
from blockstrata_viewer.model.extent_filter import Filter
from blockstrata_viewer.model.folding import tracks_of
from blockstrata_viewer.model.history import at_place, place_of
from blockstrata_viewer.screens.command import CommandScreen
from blockstrata_viewer.screens.export import ExportScreen, proposed
from blockstrata_viewer.screens.extent_filter import FilterScreen
from blockstrata_viewer.screens.help import HelpScreen
from blockstrata_viewer.screens.lessons import LessonsScreen
from blockstrata_viewer.widgets.extent_table import ExtentTable
from blockstrata_viewer.widgets.lesson_panel import LessonPanel


class MainScreen(Screen[None]):
    """Has the image on it.  Keys and commands change its scene, open pages over it, lead through lessons."""

    BINDINGS: ClassVar[list[BindingType]] = list(BINDINGS)
    COMMANDS: ClassVar = {ViewerCommands}

    def __init__(self, setup: Setup, settled: asyncio.Event) -> None:
        super().__init__()
        self.setup = setup
        self.pane = ImagePane(setup, settled)

    def compose(self) -> ComposeResult:
        """Compose the screen."""
        yield self.pane

    async def action_turn(self, key_id: str) -> None:
        """Do what the table of keys says, by a binding's id."""
        key, pane = KEYS_BY_ID[key_id], self.pane
        does = key.does
        if isinstance(does, str):
            await self.app.run_action(does, self)
            return
        count = pane.take_count()
        if self._betrays(key_id):
            return
        if isinstance(does, Search):
            pane.search(does.find, does.nothing_in(pane.current), count)
        else:
            pane.change(lambda scene: does(scene, count), jumps=key.jumps)

    def _betrays(self, what: str) -> bool:
        """Say whether something would tell what a lesson asks, and say in the footer that it waits."""
        scene = self.pane.current
        waits = scene is not None and betrays(what, scene.asking)
        if waits:
            self.pane.say(NOT_YET)
        return waits

    def action_choose(self, depth: int) -> None:
        """Choose a layer by its depth."""
        self.pane.change(lambda scene: scene.select(depth), jumps=True)

    def action_under(self, name: str) -> None:
        """Show the same facts under a semantics by its name."""
        self.pane.change(lambda scene: scene.under(by_name(name)))

    def action_isolate(self, letters: str) -> None:
        """Show one state alone, by its letters, or all again."""
        if not self._betrays("legend"):
            self.pane.change(lambda scene: scene.isolate(letters))

    def action_hide(self, letters: str) -> None:
        """Show all but one state more, by its letters, or that again."""
        if not self._betrays("legend"):
            self.pane.change(lambda scene: scene.hide(letters))

    def action_fold_layers(self) -> None:
        """Fold neighbouring layers that hold nothing in view, or show them all."""
        pane = self.pane
        if pane.current is None:
            return
        pane.change(lambda scene: scene.drawn(folded=not scene.folded))
        if pane.current.folded and not any(isinstance(each, range) for each in tracks_of(pane.current)):
            pane.say("nothing to fold: no two neighbouring layers hold nothing in view")

    def action_go_to(self, offset: int) -> None:
        """Go to a byte."""
        self.pane.change(lambda scene: scene.go_to(offset), jumps=True)

    def action_walk(self, step: int) -> None:
        """Go back through where one has been, or forward again."""
        pane, opened = self.pane, self.pane.images.shown
        for _ in range(pane.take_count()):
            found = None
            if opened.scene:
                walk = opened.history.back if step < 0 else opened.history.forward
                found = walk(place_of(opened.scene))
            if found is None:
                pane.say("no place to go back to" if step < 0 else "no place to go forward to")
                return
            history, place = found
            if place.is_trip and (missing := needs_all(opened)):
                pane.say(missing)
                return
            opened.history = history
            pane.change(partial(at_place, place=place))

    def action_copy(self) -> None:
        """Copy the offset of the cursor."""
        pane = self.pane
        pane.count = 0
        if pane.current:
            self.app.copy_to_clipboard(f"{pane.current.cursor:#x}")
            pane.say(f"copied: {pane.current.cursor:#x}")

    def action_command(self) -> None:
        """Show the command that leads to this view, and copy it."""
        pane, opened, scene = self.pane, self.pane.images.shown, self.pane.current
        pane.count = 0
        if scene is None:
            return
        said = {**self.setup.said, **pane.guide.said}.get(opened.image)
        command = view_command(opened.image, opened.opening, scene, said or ())
        left = left_out(opened.opening, scene, said or ())
        note = "Copied." + (f" It leaves out: {left}." if left else "")
        if said is not None and not said:
            note += " Files of demos and lessons go when the viewer is left."
        self.app.copy_to_clipboard(command)
        self.app.push_screen(CommandScreen(command, note))

    def action_together(self) -> None:
        """Have all images go where the one on the screen goes, or let each go alone."""
        pane, images = self.pane, self.pane.images
        pane.count = 0
        if len(images.all) < 2:
            pane.say("only one image is open")
            return
        images.is_together = not images.is_together
        images.follow(jumps=True)
        pane.say("the images move together" if images.is_together else "each image moves alone")
        pane.scene = pane.current

    def action_reload(self) -> None:
        """Read the image again, and stay where one is."""
        pane, opened = self.pane, self.pane.images.shown
        pane.count = 0
        pane.say("reading again …")
        opened.place = place_of(opened.scene) if opened.scene else None
        pane.images.begin(opened, compares=True)

    def action_round_trip(self) -> None:
        """Show what becomes of the image on the way through NBD, or come back from there."""
        self.pane.count = 0
        if missing := needs_all(self.pane.images.shown):
            self.pane.say(missing)
        else:
            self.pane.change(lambda scene: scene.round_trip(), jumps=True)

    def action_page(self, name: str) -> None:
        """Open a page over the scene if there is what it needs, and do what its answer says."""
        page, pane, scene = PAGES[name], self.pane, self.pane.current
        pane.count = 0

        def answered(answer: Any) -> None:
            if answer is not None:
                pane.change(lambda scene: page.then(scene, answer), jumps=True)

        if self._betrays(name):
            return
        if missing := page.missing(pane.images.shown):
            pane.say(missing)
        elif scene and (screen := page.make(scene)):
            self.app.push_screen(screen, answered)

    def action_extents(self) -> None:
        """Show the extents of the selected track as a table in full height."""
        self.pane.count = 0
        if self.pane.current and not self._betrays("extents"):
            self.pane.show_table(in_full=True)

    def action_sort_extents(self, column: str) -> None:
        """Sort the table of extents by a column, or the other way round."""
        self.pane.table.wanted = self.pane.table.wanted.by(column)

    def action_to_extent(self, offset: int) -> None:
        """Go where a row of the table is."""
        self.pane.go_to_extent(ExtentTable.Chosen(offset, goes_there=True))

    def action_filter(self) -> None:
        """Ask which extents the table is to show, and show them."""
        pane = self.pane
        pane.count = 0

        def answered(wanted: Filter | None) -> None:
            if wanted is not None:
                pane.table.wanted = replace(pane.table.wanted, filter=wanted)
                self.action_extents()

        if pane.current and not self._betrays("extents"):
            self.app.push_screen(FilterScreen(pane.table.wanted.filter), answered)

    def action_help(self) -> None:
        """Show the help for what is on the screen."""
        self.pane.count = 0
        palette = palette_for(self.setup.colours, self.pane.theme_name)
        self.app.push_screen(HelpScreen(help_keys(self.setup.keymap), self.pane.current, palette))

    def action_export(self) -> None:
        """Ask for a file, and write what the screen shows into it."""
        pane = self.pane
        pane.count = 0

        def export(path: str) -> None:
            try:
                save(pane, path)
            except BlockstrataError as error:
                pane.say(str(error))
            else:
                pane.say(f"written: {path}")

        def after(path: str | None) -> None:
            if path is not None:
                # not before the question is off the screen
                self.call_after_refresh(export, path)

        if pane.current:
            self.app.push_screen(ExportScreen(proposed(pane.images.shown.image)), after)

    def action_image(self, step: int) -> None:
        """Show the next image, if there are several, at the same place."""
        self.pane.count = 0
        if len(self.pane.images.all) > 1:
            place = place_of(self.pane.current.chain_scene) if self.pane.current else None
            self.pane.show_image(self.pane.images.at + step, place)

    def action_storage(self) -> None:
        """Read the image again, its files asked in the other way where their storage is."""
        pane, opened = self.pane, self.pane.images.shown
        if opened.is_whole or opened.failure:
            probe = opened.ask_otherwise()
            pane.change(lambda scene: scene.leave())
            pane.say(f"storage by {probe.value}")
            pane.images.begin(opened)

    def action_theme(self) -> None:
        """Take the next theme."""
        pane = self.pane
        pane.theme_name = THEMES[(THEMES.index(pane.theme_name) + 1) % len(THEMES)]
        self.app.theme = f"blockstrata-{pane.theme_name}"
        for opened in pane.images.all:
            if opened.scene:
                opened.scene = opened.scene.drawn(theme=pane.theme_name)
        pane.scene = pane.current

    def action_inspector(self) -> None:
        """Show or hide the inspector."""
        pane = self.pane
        pane.note, pane.count = "", 0
        pane.inspector_shown = not pane.inspector_shown
        pane.fit_parts()
        if pane.guide.course and pane.query_one(LessonPanel).has_class("-away"):
            pane.say("i shows the lesson again")

    def type_digit(self, digit: int) -> None:
        """Take a digit as a choice at a lesson's question, else put it behind the count.

        What became of the choice is shown; the right one, where the question was asked.
        """
        pane, course, scene = self.pane, self.pane.guide.course, self.pane.current
        if course is None or not course.answer(digit):
            pane.count = min(pane.count * 10 + digit, 10**6)
        elif course.is_answered and scene and spot_of(pane.images.at, scene) != pane.guide.asked_at:
            self._go_to_step(course)
        else:
            pane.change(lambda scene: scene.drawn(asking=course.asking))

    def action_enter(self) -> None:
        """Go on in a lesson, or take the place as the answer to its search; without one show details."""
        pane, guide = self.pane, self.pane.guide
        course, pane.count = guide.course, 0
        if course is None:
            self.action_page("details")
        elif course.is_search:
            pane.change(lambda scene: guide.answer_place(pane.images.at, scene))
        elif course.asking:
            pane.say("press a digit to choose")
        elif course.is_over and not course.following:
            self.action_learn()
        elif guide.is_arrived:
            self.action_lesson(1)

    def action_lesson(self, steps: int) -> None:
        """Go to another step of the lessons."""
        course = self.pane.guide.course
        if course is None:
            self.pane.say("no lesson is open; L chooses one")
        elif course.move(steps * self.pane.take_count()):
            self._go_to_step(course)
        else:
            self.pane.say("this was the last lesson" if steps > 0 else "this is the first step")

    def action_learn(self) -> None:
        """Choose a lesson, and begin it."""
        guide = self.pane.guide
        self.pane.count = 0

        def begin(name: str | None) -> None:
            if name:
                self.action_begin_lesson(name)
            elif name is not None:
                self.action_leave_lesson()

        palette = palette_for(self.setup.colours, self.pane.theme_name)
        self.app.push_screen(LessonsScreen(guide.offered, guide.course, guide.done, palette), begin)

    def action_begin_lesson(self, name: str) -> None:
        """Begin a lesson by its name; its images are made in a directory that goes when the viewer does."""
        pane, guide = self.pane, self.pane.guide
        is_new = guide.course is None
        try:
            course = guide.begin(name, pane.images.at)
        except OSError as error:
            pane.say(f"no directory for the lesson's images: {error.strerror or error}")
            return
        if is_new:
            pane.make_room_for_lesson()
        if course:
            self._go_to_step(course)

    def action_leave_lesson(self) -> None:
        """Take the lesson away, and show the image that was left for it."""
        pane, guide = self.pane, self.pane.guide
        if guide.course is None:
            return
        guide.leave()
        pane.show_table(in_full=False)
        pane.inspector_shown = True
        forget_lines(pane.query_one(LessonPanel))
        self._stop_asking()
        pane.show_image(guide.left)
        pane.images.give_up_images_of_lessons()
        pane.fit_parts()

    def _stop_asking(self) -> None:
        if scene := self.pane.current:
            self.pane.images.shown.scene = scene.drawn(asking="")

    def _go_to_step(self, course: Course) -> None:
        """Show the step that the lessons are at, on its image."""
        pane = self.pane
        pane.note, pane.guide.is_arrived = "", False
        pane.show_table(in_full=False)
        self._stop_asking()
        try:
            index = pane.images.index(course.image)
        except BlockstrataError as error:
            pane.say(str(error))
        except OSError as error:
            pane.say(f"{error.filename or 'the lesson'}: {error.strerror or error}")
        else:
            if index == pane.images.at and pane.current:
                pane.show_step()
            else:
                pane.show_image(index)
