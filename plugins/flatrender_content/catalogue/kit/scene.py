"""One scene in the making: its layers, its slots and its sounds together.

Owns the promise that what ``flatrender.json`` offers is what the animation holds: a slot can only
be made along with the layer that shows it. Writes no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from flatrender.template.counter import MEMBER, Count, counting
from flatrender.template.manifest import (
    ImageSlot,
    NumberSlot,
    Scene,
    SceneSound,
    Slot,
    Text,
    TextSlot,
    Transition,
)
from flatrender_content.catalogue.kit.design import Box, Palette, Stage
from flatrender_content.catalogue.lottie_dsl.comp import Animation, Comp
from flatrender_content.catalogue.lottie_dsl.layers import (
    Layer,
    Mask,
    null_body,
    shape_body,
    text_body,
)
from flatrender_content.catalogue.lottie_dsl.text import (
    Align,
    Face,
    VerticalAlign,
    document,
    paint,
    text_member,
)
from flatrender_content.catalogue.lottie_dsl.values import Json, Slotted, Value, frames


@dataclass(frozen=True, slots=True)
class Words:
    """A text slot's description: id, names, default, limits."""

    id: str
    fa: str
    en: str
    default: str
    chars: int
    lines: int = 1
    required: bool = False
    multiline: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An image slot's description; ``default`` is a file below ``i/``."""

    id: str
    fa: str
    en: str
    default: str
    fit: str = "cover"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number slot's description."""

    id: str
    fa: str
    en: str
    default: float
    minimum: float = 0.0
    maximum: float = 100.0
    unit: str = "%"


class SceneBuilder:
    """Collects one scene. ``finish`` gives the manifest's scene and the animation's bytes."""

    def __init__(
        self,
        stage: Stage,
        palette: Palette,
        *,
        key: str,
        fa: str,
        en: str,
        seconds: float,
        intro: float,
        outro: float,
        longest: float = 12.0,
    ) -> None:
        self.stage = stage
        self.palette = palette
        self.key = key
        self.name = Text(fa=fa, en=en)
        self.seconds = seconds
        self.intro, self.outro, self.longest = intro, outro, longest
        self.comp = Comp(stage.w, stage.h, seconds)
        name = f"{key}_{stage.aspect.replace(':', 'x')}"
        self.animation = Animation(name, self.comp)
        self.slots: dict[str, Slot] = {}
        self.sounds: list[SceneSound] = []
        self.pictures: set[str] = set()

    # --- layers ---------------------------------------------------------------------------------

    def shapes(self, name: str, items: Sequence[Json], **members: object) -> Layer:
        """Add a shape layer; the first item is on top."""
        return self.comp.add(Layer(name, shape_body(items), **members))  # type: ignore[arg-type]  # Layer's own members pass through

    def null(self, name: str, **members: object) -> Layer:
        """Add a null to hang layers on."""
        return self.comp.add(Layer(name, null_body(), **members))  # type: ignore[arg-type]  # Layer's own members pass through

    def words(
        self,
        words: Words,
        box: Box,
        face: Face,
        size: float,
        *,
        color: str = "ink",
        align: Align | None = None,
        vertical: VerticalAlign = "center",
        leading: float = 1.3,
        tracking: float = 0.0,
        moves: Sequence[Json] = (),
        parent: Layer | None = None,
        masked: bool = False,
        opacity: Value = 100.0,
        position: Value | None = None,
        scale: Value = (100.0, 100.0),
        rotation: Value = 0.0,
    ) -> Layer:
        """Add a text slot in a box; the layer stands on the box's middle.

        With a parent, the box is measured in the parent's space.
        """
        self._offer(
            TextSlot(
                id=words.id,
                name=Text(fa=words.fa, en=words.en),
                required=words.required,
                default=words.default,
                max_chars=words.chars,
                max_lines=words.lines,
                multiline=words.multiline,
            )
        )
        doc = document(
            words.default,
            face,
            size,
            align=self.stage.start if align is None else align,
            vertical=vertical,
            area=(-box.w / 2, -box.h / 2, box.w, box.h),
            leading=leading,
            tracking=tracking,
            sid=words.id,
        )
        self.animation.use([face])
        member = text_member(doc, [paint(self.palette[color]), *moves])
        pad = size * 0.3  # room for what hangs below the line and stands above it
        clip = [Mask(_box_mask(box.w + 2 * pad, box.h + 2 * pad))] if masked else []
        return self.comp.add(
            Layer(
                words.id,
                text_body(member),
                position=box.middle if position is None else position,
                scale=scale,
                rotation=rotation,
                opacity=opacity,
                parent=parent,
                masks=clip,
            )
        )

    def counter(
        self,
        amount: Amount,
        box: Box,
        face: Face,
        size: float,
        *,
        at: float,
        length: float = 1.3,
        color: str = "ink",
        align: Align = "center",
        parent: Layer | None = None,
        moves: Sequence[Json] = (),
        numerals: Literal["fa", "en"] = "en",
        prefix: str = "",
        suffix: str = "",
    ) -> Layer:
        """Show a number slot as text that counts up to it."""
        slot = self.amount(amount)
        count = Count(
            first=frames(at),
            last=frames(at + length),
            numerals=numerals,
            prefix=prefix,
            suffix=suffix,
        )
        doc = document(
            count.text(amount.default),
            face,
            size,
            align=align,
            area=(-box.w / 2, -box.h / 2, box.w, box.h),
            sid=slot.sid,
        )
        doc[MEMBER] = {"count": msgspec.to_builtins(count)}
        doc = counting(doc, amount.default)
        self.animation.use([face])
        member = text_member(doc, [paint(self.palette[color]), *moves])
        body = text_body(member)
        return self.comp.add(Layer(amount.id, body, position=box.middle, parent=parent))

    def picture(
        self, picture: Picture, size: tuple[float, float], *, name: str | None = None
    ) -> Layer:
        """Make (not add) an image slot's layer of a size, anchored at its middle.

        Asking twice for one slot shows the same picture twice.
        """
        self._offer(
            ImageSlot(
                id=picture.id,
                name=Text(fa=picture.fa, en=picture.en),
                default=f"i/{picture.default}",
                fit="contain" if picture.fit == "contain" else "cover",
            )
        )
        self.pictures.add(picture.default)
        return self.animation.image_layer(
            name or picture.id, picture.default, (round(size[0]), round(size[1])), sid=picture.id
        )

    def art(self, name: str, file: str, size: tuple[float, float]) -> Layer:
        """Make (not add) a fixed picture's layer."""
        self.pictures.add(file)
        return self.animation.image_layer(name, file, (round(size[0]), round(size[1])))

    def amount(self, amount: Amount) -> Slotted:
        """Offer a number slot and return it as a value for a property."""
        self._offer(
            NumberSlot(
                id=amount.id,
                name=Text(fa=amount.fa, en=amount.en),
                default=amount.default,
                minimum=amount.minimum,
                maximum=amount.maximum,
                unit=amount.unit,
            )
        )
        return Slotted(amount.id, amount.default)

    def sound(self, name: str, at: float, gain_db: float = 0.0) -> None:
        """Play an effect at a time of the scene."""
        self.sounds.append(SceneSound(path=f"u/{name}.ogg", at=round(at, 3), gain_db=gain_db))

    def _offer(self, slot: Slot) -> None:
        known = self.slots.setdefault(slot.id, slot)
        if known != slot:
            raise ValueError(f"{self.key}: the slot {slot.id} is described twice, differently")

    # --- result ---------------------------------------------------------------------------------

    def finish(
        self,
        transition: Transition | None = None,
        *,
        repeatable: bool = False,
        removable: bool = True,
        max_repeats: int = 8,
    ) -> tuple[Scene, bytes]:
        """Return the manifest's scene and the animation file."""
        scene = Scene(
            key=self.key,
            name=self.name,
            animation=self.animation.name,
            duration=self.seconds,
            min_duration=round(max(self.intro + self.outro + 0.2, self.seconds * 0.7), 2),
            max_duration=self.longest,
            intro=self.intro,
            outro=self.outro,
            slots=list(self.slots.values()),
            transition=transition or Transition(),
            sounds=self.sounds,
            repeatable=repeatable,
            removable=removable,
            max_repeats=max_repeats,
        )
        return scene, msgspec.json.encode(self.animation.json())


def _box_mask(width: float, height: float) -> Json:
    w, h = width / 2, height / 2
    zero = [[0, 0]] * 4
    return {"v": [[-w, -h], [w, -h], [w, h], [-w, h]], "i": zero, "o": zero, "c": True}
