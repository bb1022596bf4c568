"""Small charts as SVG text: lines with bands, and bars by hour. No library, no server, readable in light and dark."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7f7f7f", "#e5c700", "#8c564b", "#6a3d9a")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 70, 190, 48, 50


def bars(
    title: str, groups: Mapping[str, Mapping[str, tuple[float, float, float]]], axis: str, highlight: str = ""
) -> str:
    """A chart of groups of bars, each a value with the ends of its interval; the bar called `highlight` is outlined."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    top = _top(max(high for group in groups.values() for _, _, high in group.values()))
    parts = _frame(title, axis, top)
    slot = (WIDTH - LEFT - RIGHT) / len(groups)
    thick = slot * 0.85 / len(names)
    for place, (group, values) in enumerate(groups.items()):
        begin = LEFT + place * slot + slot * 0.075
        parts.append(_text(begin + slot * 0.425, HEIGHT - BOTTOM + 20, group, "middle"))
        for number, name in enumerate(names):
            if name not in values:
                continue
            value, low, high = values[name]
            x, y = begin + number * thick, _y(value, top)
            stroke = ' stroke="#000" stroke-width="1.5"' if name == highlight else ""
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{thick * 0.9:.1f}" height="{HEIGHT - BOTTOM - y:.1f}" '
                f'fill="{_colour(number)}"{stroke}><title>{escape(f"{group}, {name}: {value:.4g}")}</title></rect>'
            )
            middle = x + thick * 0.45
            parts.append(_line([(middle, _y(low, top)), (middle, _y(high, top))], "#333", 1))
    return _document([*parts, *_legend(names)])


def steps(title: str, lines: Mapping[str, Sequence[float]], axis: str, ticks: Mapping[int, str]) -> str:
    """A chart of lines that keep each value for one step, such as an hour; `ticks` names some of the steps."""
    top = _top(max(max(values) for values in lines.values()))
    parts = _frame(title, axis, top)
    length = max(len(values) for values in lines.values())
    wide = (WIDTH - LEFT - RIGHT) / length
    for step, name in ticks.items():
        x = LEFT + step * wide
        parts.append(_line([(x, TOP), (x, HEIGHT - BOTTOM)], "#ddd", 1))
        parts.append(_text(x + 3, HEIGHT - BOTTOM + 20, name, "start"))
    for number, values in enumerate(lines.values()):
        points = [(LEFT + (step + side) * wide, _y(value, top)) for step, value in enumerate(values) for side in (0, 1)]
        parts.append(_line(points, _colour(number), 2))
    return _document([*parts, *_legend(list(lines))])


def _top(greatest: float) -> float:
    """The end of an axis of four even steps of round length."""
    if greatest <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(greatest / 4))
    return next(4.0 * unit * step for step in (1, 2, 2.5, 5, 10) if 4 * unit * step >= greatest)


def _frame(title: str, axis: str, top: float) -> list[str]:
    parts = [_text(LEFT, 18, title, "start", "bold"), _text(LEFT, 34, axis, "start")]
    for part in range(5):
        value = top * part / 4
        y = _y(value, top)
        parts.append(_line([(LEFT, y), (WIDTH - RIGHT, y)], "#ddd", 1))
        parts.append(_text(LEFT - 8, y + 4, f"{value:,.10g}", "end"))
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        y = TOP + 8 + 20 * number
        parts.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{y - 9}" width="12" height="12" fill="{_colour(number)}"/>')
        parts.append(_text(WIDTH - RIGHT + 34, y + 1, name, "start"))
    return parts


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top


def _text(x: float, y: float, words: str, anchor: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def _line(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _document(parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"
