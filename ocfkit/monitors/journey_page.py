"""What a browser without scripts knows of a page: its title, text, links and forms."""

from __future__ import annotations

from html.parser import HTMLParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_CHOSEN = ("checkbox", "radio")
"""Kinds of fields that are sent only when they are ticked."""

_PRESSED = ("submit", "image")
"""Kinds of buttons that send a form; `button` and `reset` do not."""

_UNREAD = frozenset(("script", "style", "template", "title"))
"""Elements whose text is not seen on the page."""

_APART = frozenset(
    "address article aside blockquote br dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol option p pre section select table td th tr ul".split()
)
"""Elements that end a word, as they begin a line or a cell."""


class FormError(Exception):
    """A form cannot be filled in as it was asked; the text says why."""


class Field:
    """One field of a form."""

    __slots__ = ("choices", "kind", "name", "on", "owner", "value")

    def __init__(self, name: str, kind: str, value: str, *, on: bool, owner: str | None) -> None:
        """`kind` is the type of an input, or the element; `owner` the id of the form it names."""
        self.name = name
        self.kind = kind
        self.value = value
        self.on = on
        """Whether it is sent."""
        self.owner = owner
        self.choices: list[str] = []
        """Values of the options of a select."""


class Button:
    """What sends a form, and may lead it elsewhere."""

    __slots__ = ("action", "method", "name", "owner", "value")

    def __init__(self, given: dict[str, str]) -> None:
        """`given` are its attributes."""
        self.name = given.get("name", "")
        self.value = given.get("value", "")
        self.owner = given.get("form")
        self.action = given.get("formaction")
        self.method = given.get("formmethod")


class Form:
    """A form as it stands on a page; filling it in changes it."""

    __slots__ = ("action", "buttons", "enctype", "fields", "id", "method", "name", "pressed")

    def __init__(self, given: dict[str, str]) -> None:
        """`given` are its attributes."""
        self.id = given.get("id", "")
        self.name = given.get("name", "")
        self.action = given.get("action", "")
        self.method = given.get("method", "")
        self.enctype = given.get("enctype", "").strip().lower()
        self.fields: list[Field] = []
        self.buttons: list[Button] = []
        self.pressed: Button | None = None

    def fill(self, name: str, value: str | bool) -> None:  # noqa: FBT001 - a box is ticked or not
        """Write into a field, tick a box, choose an option or press a button; raises FormError."""
        fields = [each for each in self.fields if each.name == name]
        # beside a box there is often a hidden field of its name, for when it is not ticked
        fields = [each for each in fields if each.kind != "hidden"] or fields
        if isinstance(value, bool):
            self._tick(name, fields, on=value)
        elif not fields:
            self._press(name, value)
        elif fields[0].kind in _CHOSEN:
            _choose(name, value, fields)
        else:
            if fields[0].choices and value not in fields[0].choices:
                raise FormError(f"field {name!r} has no choice of that value")
            fields[0].value = value
            fields[0].on = True

    def is_password(self, name: str) -> bool:
        """Whether the page hides what is written into a field."""
        return any(each.kind == "password" and each.name == name for each in self.fields)

    def sent(self) -> list[tuple[str, str]]:
        """Names and values as they are sent, that of the button at the end."""
        pairs = [(each.name, each.value) for each in self.fields if each.on]
        button = self.button()
        if button is not None and button.name:
            pairs.append((button.name, button.value))
        return pairs

    def button(self) -> Button | None:
        """The button that is pressed: the first one, unless another was."""
        return self.pressed or next(iter(self.buttons), None)

    def target(self) -> tuple[str, str]:
        """Method and address that it is sent by."""
        button = self.button()
        method = (button.method if button else None) or self.method
        action = button.action if button else None
        action = self.action if action is None else action
        return ("POST" if method.strip().lower() == "post" else "GET"), action.strip()

    def _tick(self, name: str, fields: Sequence[Field], *, on: bool) -> None:
        boxes = [each for each in fields if each.kind in _CHOSEN]
        if not boxes:
            raise FormError(f"there is no box {name!r} to tick in {self}")
        boxes[0].on = on

    def _press(self, name: str, value: str) -> None:
        buttons = [each for each in self.buttons if each.name == name]
        if not buttons:
            raise FormError(f"there is no field {name!r} in {self}")
        self.pressed = next((each for each in buttons if each.value == value), None)
        if self.pressed is None:
            raise FormError(f"no button {name!r} has that value")

    def __str__(self) -> str:
        called = self.id or self.name
        names = dict.fromkeys(each.name for each in self.fields)
        seen = f"with the fields {', '.join(names)}" if names else "without fields"
        return f"form {called!r} {seen}" if called else f"a form {seen}"


def _choose(name: str, value: str, fields: Sequence[Field]) -> None:
    if all(each.value != value for each in fields):
        raise FormError(f"field {name!r} has no choice of that value")
    for each in fields:
        each.on = each.value == value


class Page:
    """A page of HTML that was read."""

    __slots__ = ("base", "forms", "links", "text", "title")

    def __init__(self, html: str) -> None:
        reader = _Reader()
        try:
            reader.feed(html)
            reader.close()
        except (AssertionError, ValueError):  # of html.parser, for declarations that are none
            pass
        self.base = reader.base
        """What its addresses are relative to, itself relative to the page's own; often empty."""
        self.title = " ".join(reader.title.split())
        self.text = " ".join("".join(reader.text).split())
        self.links = [(" ".join(text.split()), href.strip()) for text, href in reader.links]
        self.forms = reader.all_forms()

    def link(self, text: str) -> str | None:
        """What the first link of that text says, or else the first that has the text in it."""
        text = " ".join(text.split())
        for said, href in self.links:
            if said == text:
                return href
        for said, href in self.links:
            if text in said:
                return href
        return None

    def form(self, which: str | int) -> Form | None:
        """A form by its id, its name, or its place on the page, from 1."""
        if isinstance(which, int):
            return self.forms[which - 1] if 0 < which <= len(self.forms) else None
        for form in self.forms:
            if which == form.id:
                return form
        return next((form for form in self.forms if which == form.name), None)


class _Reader(HTMLParser):
    """Goes through a page once, and minds no faults in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self.title = ""
        self.text: list[str] = []
        self.links: list[tuple[str, str]] = []
        self._forms: list[Form] = []
        self._loose: list[Field | Button] = []
        """Fields and buttons that name their form, wherever they stand."""
        self._form: Form | None = None
        self._within: list[str] = []
        """Elements in which text is not seen."""
        self._link: tuple[list[str], str] | None = None
        self._area: Field | None = None
        self._select: Field | None = None
        self._option: tuple[list[str], str | None, bool] | None = None
        self._several = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in reversed(attrs)}  # the first of a name wins
        if tag in _UNREAD:
            self._within.append(tag)
        if tag in _APART:
            self.text.append(" ")
        opened = getattr(self, f"_open_{tag}", None)
        if opened is not None:
            opened(given)

    def handle_endtag(self, tag: str) -> None:
        if tag in _APART:
            self.text.append(" ")
        if tag in self._within:
            while self._within.pop() != tag:
                pass
        closed = getattr(self, f"_close_{tag}", None)
        if closed is not None:
            closed()

    def handle_data(self, data: str) -> None:
        if self._within:
            if self._within[-1] == "title":
                self.title += data
            return
        if self._area is not None:
            self._area.value += data
        elif self._option is not None:
            self._option[0].append(data)
        else:
            if self._link is not None:
                self._link[0].append(data)
            self.text.append(data)

    def close(self) -> None:
        super().close()
        self._close_a()
        self._close_select()
        self._close_textarea()

    def all_forms(self) -> list[Form]:
        """The forms, each with the fields that stand elsewhere and name it."""
        by_id = {form.id: form for form in reversed(self._forms)}
        for each in self._loose:
            form = by_id.get(each.owner or "")
            if form is not None:
                _put(form, each)
        self._loose.clear()
        return self._forms

    # what each element means: called by its name

    def _open_base(self, given: dict[str, str]) -> None:
        self.base = self.base or given.get("href", "").strip()

    def _open_a(self, given: dict[str, str]) -> None:
        self._close_a()
        if "href" in given:
            self._link = ([], given["href"])

    def _close_a(self) -> None:
        if self._link is not None:
            self.links.append(("".join(self._link[0]), self._link[1]))
            self._link = None

    def _open_img(self, given: dict[str, str]) -> None:
        if self._link is not None:
            self._link[0].append(f" {given.get('alt', '')} ")

    def _open_form(self, given: dict[str, str]) -> None:
        if self._form is None:  # HTML knows no form in a form
            self._form = Form(given)
            self._forms.append(self._form)

    def _close_form(self) -> None:
        self._close_select()
        self._close_textarea()
        self._form = None

    def _open_input(self, given: dict[str, str]) -> None:
        kind = given.get("type", "").strip().lower() or "text"
        if kind in _PRESSED:
            self._add_button(given)
        elif kind not in ("button", "reset", "file"):
            on = "disabled" not in given and (kind not in _CHOSEN or "checked" in given)
            value = given.get("value", "on" if kind in _CHOSEN else "")
            self._add_field(given, kind, value, on=on)

    def _open_button(self, given: dict[str, str]) -> None:
        if given.get("type", "submit").strip().lower() not in ("button", "reset"):
            self._add_button(given)

    def _open_textarea(self, given: dict[str, str]) -> None:
        self._close_textarea()
        self._area = self._add_field(given, "textarea", "", on="disabled" not in given)

    def _close_textarea(self) -> None:
        if self._area is not None:
            value = self._area.value
            self._area.value = value.removeprefix("\r").removeprefix("\n")  # it is not part of it
            self._area = None

    def _open_select(self, given: dict[str, str]) -> None:
        self._close_select()
        self._several = "multiple" in given
        self._select = self._add_field(given, "select", "", on="disabled" not in given)

    def _open_option(self, given: dict[str, str]) -> None:
        self._close_option()
        if self._select is not None:
            self._option = ([], given.get("value"), "selected" in given)

    def _close_option(self) -> None:
        if self._option is None or self._select is None:
            return
        said, value, selected = self._option
        value = " ".join("".join(said).split()) if value is None else value
        if selected or (not self._select.choices and not self._several):
            self._select.value = value
        self._select.choices.append(value)
        self._option = None

    def _close_select(self) -> None:
        self._close_option()
        select = self._select
        if select is not None:
            select.on = select.on and select.value in select.choices
            self._select = None

    def _add_field(self, given: dict[str, str], kind: str, value: str, *, on: bool) -> Field:
        field = Field(given.get("name", ""), kind, value, on=on, owner=given.get("form"))
        if field.name:
            self._add(field)
        return field

    def _add_button(self, given: dict[str, str]) -> None:
        self._add(Button(given))

    def _add(self, each: Field | Button) -> None:
        if each.owner is not None:
            self._loose.append(each)
        elif self._form is not None:
            _put(self._form, each)


def _put(form: Form, each: Field | Button) -> None:
    if isinstance(each, Field):
        form.fields.append(each)
    else:
        form.buttons.append(each)
