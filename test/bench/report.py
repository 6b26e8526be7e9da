"""report - the results of test/bench/run as a table and as a plot."""
# SPDX-License-Identifier: Apache-2.0

COLORS = ["#1f6feb", "#cf222e", "#1a7f37", "#9a6700", "#8250df", "#57606a", "#bf3989", "#0a7ea4"]


def milli(value_us):
    return f"{value_us / 1000:.2f}"


def ratio(own, other):
    return f"{own / other:.2f}" if other else "-"


def window_rows(results):
    """Rows of the table: system, window, figures, and px against that system."""
    own = {row["window"]: row for row in results["rows"] if row["peer"] == "px"}
    for row in sorted(
        results["rows"], key=lambda each: (each["window"], each["peer"] != "px", each["peer"])
    ):
        versus = "" if row["peer"] == "px" else ratio(own[row["window"]]["msgs_per_s"], row["msgs_per_s"])
        yield [
            row["peer"],
            f'{row["window"]}',
            f'{row["msgs_per_s"]:,.0f}',
            f'{row["least"]:,.0f}-{row["most"]:,.0f}',
            milli(row["p50_us"]),
            milli(row["p99_us"]),
            milli(row["p999_us"]),
            f'{row["cpu_s_per_100k"]:.2f}',
            f'{row["rss_max_mb"]:.0f}',
            versus,
        ]


def lay_out(head, rows):
    rows = [head] + list(rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def table(results):
    header = results["header"]
    text = (
        f'{header["version"]}, commit {header["commit"]}\n{header["machine"]}\n{header["command"]}: '
        f'medians of {header["runs"]} runs of {header["seconds"]:g} s\n\n'
    )
    if "windows" in results:
        head = [
            "system",
            "window",
            "messages/s",
            "least-most",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "cpu s/100k",
            "peak MB",
            "px ratio",
        ]
        text += lay_out(head, window_rows(results["windows"]))
        bare = results["windows"]["bare"]
        own = [row for row in results["windows"]["rows"] if row["peer"] == "px" and row["window"] == 1]
        text += (
            f'\nbare commit with a client hop: {bare["msgs_per_s"]:,.0f}/s, p50 {milli(bare["p50_us"])} ms'
        )
        if own:
            text += f'; px at window 1: p50 {ratio(own[0]["p50_us"], bare["p50_us"])} of that'
        text += "\n"
    for part in ("pipes", "large"):
        if part in results:
            text += "\n" + lay_out(
                [part, "figure"], [[name, f"{value:,.2f}"] for name, value in results[part].items()]
            )
    return text


# ---- the plot ----


def plot(results):
    """Messages/s over the window, both axes logarithmic, a line a system."""
    import math

    rows = results["windows"]["rows"]
    systems = list(dict.fromkeys(row["peer"] for row in rows))
    windows = sorted({row["window"] for row in rows})
    rates = [row["msgs_per_s"] for row in rows if row["msgs_per_s"] > 0]
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    high = max(high, low + 1)
    width, height, left, bottom, upper, right = 760, 460, 90, 60, 50, 150

    def across(window):
        span = math.log(windows[-1] / windows[0]) or 1
        return left + (width - left - right) * math.log(window / windows[0]) / span

    def up(rate):
        return height - bottom - (height - bottom - upper) * (math.log10(rate) - low) / (high - low)

    def text(x, y, words, anchor="middle", size=13, color="#24292f"):
        place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
        return f'<text {place} font-size="{size}" fill="{color}">{words}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(
            left,
            24,
            "Messages a second, durable on a majority, 256 bytes, three nodes on one machine",
            "start",
            15,
        ),
        text(
            left,
            40,
            f'commit {results["header"]["commit"]}; {results["header"]["machine"]}',
            "start",
            10,
            "#57606a",
        ),
    ]
    for power in range(low, high + 1):
        y = up(10**power)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.0f}" y2="{y:.0f}" stroke="#d0d7de"/>')
        parts.append(text(left - 8, y + 4, f"{10 ** power:,}", "end"))
    for window in windows:
        parts.append(text(across(window), height - bottom + 20, str(window)))
    parts.append(text((left + width - right) / 2, height - 18, "messages outstanding"))
    for number, system in enumerate(systems):
        color = COLORS[number % len(COLORS)]
        points = sorted(
            (row["window"], row["msgs_per_s"])
            for row in rows
            if row["peer"] == system and row["msgs_per_s"] > 0
        )
        path = " ".join(f"{across(window):.0f},{up(rate):.0f}" for window, rate in points)
        thick = 3 if system == "px" else 2
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{thick}"/>')
        parts += [
            f'<circle cx="{across(window):.0f}" cy="{up(rate):.0f}" r="4" fill="{color}"/>'
            for window, rate in points
        ]
        parts.append(text(width - right + 12, up(points[-1][1]) + 4, system, "start", 13, color))
    return "\n".join(parts) + "\n</svg>\n"
