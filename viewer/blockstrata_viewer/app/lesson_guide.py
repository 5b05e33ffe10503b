"""The lessons that one is led through: where the step is, what was answered, which images were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from blockstrata_viewer.lessons import taught
from blockstrata_viewer.lessons.aim import aim
from blockstrata_viewer.lessons.course import Course, Score, Shelf
from blockstrata_viewer.lessons.lesson import Lesson
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.process.scratch import scratch_directory

Spot = tuple[object, ...]
"""Where a screen is: image, axis, flags, layer, byte."""


def spot_of(image: int, scene: Scene) -> Spot:
    """Return where the screen is on an image."""
    axis = (scene.disk.is_file, scene.disk.round_trip is not None)
    return image, axis, scene.semantics, scene.selected, scene.cursor


class LessonGuide:
    """Leads through a course, if there is one; what is made for it goes when the guide is closed."""

    def __init__(self, course: Course | None) -> None:
        self.course = course
        self.is_arrived = course is None
        """Whether the step is on the screen, or there is none."""
        self.asked_at: Spot = ()
        self._file_depth = 0
        self.left = 0
        """The image that was left for the lessons."""
        self.done: dict[str, Score] = course.done if course else {}
        """The lessons that were gone through, by name."""
        self._shelf = course.shelf if course else None
        self._made = ExitStack()

    @property
    def offered(self) -> Sequence[Lesson]:
        """All lessons that there are."""
        return taught(self.course.lessons if self.course else ())

    @property
    def said(self) -> Mapping[str, Sequence[str]]:
        """What leads to the images of lessons, as :class:`Setup` has it."""
        return self._shelf.said if self._shelf else {}

    def arrive(self, image: int, scene: Scene) -> Scene:
        """Return the scene of an image at the step's place, with what is asked there.

        ``LessonError`` if it has no such place.
        """
        if self.course is None:
            return scene
        scene = scene.chain_scene
        site = self.course.arrive(scene.disk.chain)
        aimed = aim(scene, self.course.step, site).drawn(asking=self.course.asking)
        self.asked_at, self._file_depth = spot_of(image, aimed), aimed.file_depth
        return aimed

    def answer_place(self, image: int, scene: Scene) -> Scene:
        """Take the place of a scene of an image as the answer to what is to be found, and return the scene.

        Errors of reading as :meth:`Site.window` has them.
        """
        course, cell = self.course, scene.viewport.cell
        if course is None:
            return scene
        shown, axis, *_ = spot_of(image, scene)
        if shown != self.asked_at[0]:
            course.refuse_place("This is another image. `tab` goes back.")
        elif axis != self.asked_at[1] or (scene.disk.is_file and scene.file_depth != self._file_depth):
            course.refuse_place("This is not the step's view. `,` and `.` go back to it.")
        else:
            layer = scene.selected if course.step.view == "chain" else course.step.layer
            start = scene.cursor // cell * cell
            course.answer_place(scene.chain_scene.disk.chain, layer, scene.cursor, range(start, start + cell))
        return scene

    def begin(self, name: str, shown: int) -> Course | None:
        """Go to the first step of a lesson, and return the course; None if there is none of that name.

        ``shown`` is the image on the screen; ``OSError`` if there is no directory for those of lessons.
        """
        if self.course is None:
            self._shelf = self._shelf or Shelf(self._made.enter_context(scratch_directory()))
            self.left = shown
            self.course = Course(taught(), self._shelf, done=self.done)
        elif name not in [lesson.name for lesson in self.course.lessons]:
            self.course.lessons = self.offered
        return self.course if self.course.begin(name) else None

    def leave(self) -> None:
        """Take the lessons away."""
        self.course, self.is_arrived = None, True

    def close(self) -> None:
        """Take away what was made for lessons."""
        self._made.close()
