"""Care on the console: settings of one's own, clearing the screen, and breaks."""

from contextlib import suppress
from datetime import UTC, datetime

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from models.language import primary_language
from models.report import Language
from serving.accounts import people
from serving.accounts.auth import Identity
from serving.accounts.people import Profile
from serving.console.frame import LATER, page
from serving.console.web import HOME, NOTICES, Form, In, Who, go, new_router, number
from serving.errors import ClaimLapsed, InvalidRequest
from serving.queue import claims
from serving.runtime import Runtime

LATER_SECONDS = 900  # after which a break is offered again
MOST_LANGUAGES = 50
SWITCHES = ("critical", "greyscale", "mask_words")
_TAGS = TypeAdapter(list[Language])

router = new_router()


@router.get("/me")
def me(request: Request, runtime: In, who: Who, notice: str = "") -> Response:
    """What somebody takes, and how pages look to them."""
    with runtime.store.read() as connection:
        kept = people.profile_of(connection, who)
    return _me(request, runtime, who, 200, NOTICES.get(notice, ""), _filled(kept))


@router.post("/me")
def keep(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Keep somebody's settings; or show them again with what is wrong."""
    try:
        people.save_profile(runtime.store, who, _profile(runtime, form))
    except InvalidRequest as error:
        return _me(request, runtime, who, error.status, f"Not kept: {error.message}.", form)
    return go(f"{HOME}/me?notice=kept")


@router.get("/away")
def away(request: Request, runtime: In, who: Who, rest: str = "") -> Response:
    """A page with nothing on it but the ways back."""
    held = claims.held_by(runtime.store, who, datetime.now(UTC))
    return page(request, runtime, who, "away.html", held=held, resting=bool(rest), at_it_since=None, undo=None)


@router.post("/break")
def rest(runtime: In, who: Who, _form: Form) -> Response:
    """Put back what is in hand and rest."""
    now = datetime.now(UTC)
    while held := claims.held_by(runtime.store, who, now):  # after an undo there may be two
        with suppress(ClaimLapsed):  # then it is back already
            claims.release(runtime.store, who, held.id, held.token, now=now)
    return go(f"{HOME}/away?rest=1")


@router.post("/break/later")
def later(request: Request, _who: Who, _form: Form) -> Response:
    """Go on for now; a break is offered again later."""
    response = go(HOME)
    secure = request.url.scheme == "https"
    response.set_cookie(LATER, "1", LATER_SECONDS, path=HOME, httponly=True, samesite="strict", secure=secure)
    return response


def _me(request: Request, runtime: Runtime, who: Identity, status: int, notice: str, form: FormData) -> Response:
    categories = runtime.scorer.bundle.taxonomy.visible
    return page(request, runtime, who, "me.html", status, notice=notice, form=form, categories=categories)


def _filled(profile: Profile) -> FormData:
    """The form that says what a profile says."""
    most = "" if profile.daily_severe is None else str(profile.daily_severe)
    fields = [("languages", ", ".join(profile.languages)), ("daily_severe", most)]
    fields += [("category", key) for key in profile.categories]
    return FormData([*fields, *((name, "on") for name in SWITCHES if getattr(profile, name))])


def _profile(runtime: Runtime, form: FormData) -> Profile:
    """The profile that a form says. Raises InvalidRequest."""
    said = [part.strip() for part in str(form.get("languages", "")).replace(";", ",").split(",") if part.strip()]
    try:
        languages = [language for tag in _TAGS.validate_python(said) if (language := primary_language(tag))]
    except ValidationError:
        message = "a language is written as en or pt-BR, several with commas between"
        raise InvalidRequest(message, field="languages") from None
    known = runtime.scorer.bundle.taxonomy.keys
    most = str(form.get("daily_severe", "")).strip()
    if most and number(form, "daily_severe") is None:
        raise InvalidRequest("the number of severe cases is a whole number or empty", field="daily_severe")
    try:
        return Profile(
            languages=list(dict.fromkeys(languages))[:MOST_LANGUAGES],
            categories=[key for key in form.getlist("category") if key in known],
            daily_severe=number(form, "daily_severe"),
            **{name: name in form for name in SWITCHES},
        )
    except ValidationError:
        raise InvalidRequest("the settings hold something that they cannot", field="settings") from None
