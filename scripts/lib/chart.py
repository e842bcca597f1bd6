# SPDX-License-Identifier: BSD-2-Clause
"""A bar chart of kernel against shim as SVG, without a library."""
from html import escape


def chart(title, rows, path):
    """rows: (label, unit, kernel, shim). Bars of a row are drawn relative to its kernel's."""
    left, width, row_h, top = 230, 430, 46, 56
    most = max([2.0] + [s / k for _, _, k, s in rows if k])
    height = top + row_h * len(rows) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 190} {height}" '
           'font-family="sans-serif" font-size="13">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="16" y="28" font-size="17" font-weight="bold">{escape(title)}</text>']
    for i, (label, unit, kernel, shim) in enumerate(rows):
        y = top + i * row_h
        ratio = shim / kernel if kernel else 0
        out.append(f'<text x="{left - 10}" y="{y + 22}" text-anchor="end">{escape(label)}</text>')
        for j, (value, rel, fill) in enumerate(((kernel, 1, "#9aa5b1"), (shim, ratio, "#2f6fde"))):
            w = max(1, width * rel / most)
            out.append(f'<rect x="{left}" y="{y + 2 + j * 18}" width="{w:.1f}" height="15" '
                       f'fill="{fill}"/>')
            out.append(f'<text x="{left + w + 6:.1f}" y="{y + 14 + j * 18}" font-size="11">'
                       f'{value:,.0f} {escape(unit)}'
                       + (f' ({ratio:.2f}x)' if j else '') + '</text>')
    y = height - 22
    out += [f'<rect x="{left}" y="{y}" width="12" height="12" fill="#9aa5b1"/>',
            f'<text x="{left + 18}" y="{y + 11}">kernel</text>',
            f'<rect x="{left + 90}" y="{y}" width="12" height="12" fill="#2f6fde"/>',
            f'<text x="{left + 108}" y="{y + 11}">libshim</text>', '</svg>']
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")
