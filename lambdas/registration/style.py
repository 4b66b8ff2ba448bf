"""The one style sheet of the pages, and the hash by which the browser may apply it. Pure.

No script, no font, nothing to load. Colours have a contrast of 4.5 to 1 or more in light and in
dark, as WCAG 2.2 asks for text; what can be pressed is at least 44 pixels high.
"""

import base64
import hashlib

from lambdas.registration.seller import Seller

LIGHT = {"text": "#16191f", "soft": "#4b5563", "back": "#ffffff", "line": "#6b7280"}
DARK = {"text": "#f3f4f6", "soft": "#c4c9d1", "back": "#14171c", "line": "#9ca3af"}
BAD_LIGHT, BAD_DARK = "#b3261e", "#ffb4ab"
LINK_DARK = "#9ecbff"
"""The seller's colour is made for white; on black it may not be seen."""

_RULES = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--back);color:var(--text);font:1rem/1.55 system-ui,-apple-system,\
"Segoe UI",Roboto,Helvetica,Arial,sans-serif;overflow-wrap:anywhere}
header,main,footer{max-width:36rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2rem;padding-bottom:.5rem;font-weight:600}
header img{display:block;max-width:100%;height:3rem;object-fit:contain;object-position:left;\
background:#fff;border-radius:.25rem;padding:.25rem;margin-left:-.25rem}
main{padding-top:1rem;padding-bottom:1.5rem}
main:first-child{padding-top:2.5rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 1rem}
h2{font-size:1.125rem;line-height:1.3;margin:1.75rem 0 .5rem}
p,ol,ul{margin:0 0 1rem}
ol,ul{padding-left:1.5rem}
li{margin-bottom:.25rem}
a{color:var(--link);text-underline-offset:.15em}
form{margin:0 0 1.5rem}
.field{margin:0 0 1.25rem}
label{display:block;font-weight:600;margin:0 0 .25rem}
label span{font-weight:400;color:var(--soft)}
.hint{color:var(--soft);margin:0 0 .375rem}
.problem{color:var(--bad);font-weight:600;margin:0 0 .375rem}
input{width:100%;min-height:2.75rem;padding:.5rem .75rem;font:inherit;color:inherit;\
background:var(--back);border:1px solid var(--line);border-radius:.375rem}
input[aria-invalid]{border:2px solid var(--bad)}
button,.button{display:inline-block;min-height:2.75rem;padding:.625rem 1.25rem;font:inherit;\
font-weight:600;color:#fff;background:var(--brand);border:1px solid var(--brand-edge);\
border-radius:.375rem;text-decoration:none;cursor:pointer}
.summary{border:2px solid var(--bad);border-radius:.375rem;padding:1rem 1.25rem .25rem;\
margin:0 0 1.5rem}
.summary h2{margin-top:0}
.summary ul{list-style:none;padding:0;margin-bottom:.5rem}
.summary a{display:inline-block;color:var(--bad);padding:.625rem 0}
:focus-visible{outline:3px solid var(--text);outline-offset:2px}
footer{padding-bottom:2.5rem}
footer::before{content:"";display:block;border-top:1px solid var(--line);margin-bottom:1rem}
footer p{margin:0}
.links{list-style:none;padding:0;margin:0;display:flex;flex-wrap:wrap;gap:0 1.5rem}
footer a,.aside a{display:inline-block;padding:.625rem 0;min-width:2.75rem}
"""


def style(seller: Seller) -> str:
    """Write the style sheet in the seller's colour."""
    light = _variables(
        LIGHT
        | {"bad": BAD_LIGHT, "brand": seller.color, "brand-edge": seller.color}
        | {"link": seller.color}
    )
    # In the dark a button of a dark colour is told from its background by a light edge.
    dark = _variables(DARK | {"bad": BAD_DARK, "brand-edge": DARK["line"], "link": LINK_DARK})
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{_RULES}"


def source_of(style_sheet: str) -> str:
    """Name a style sheet in a content security policy.

    >>> source_of("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    digest = hashlib.sha256(style_sheet.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _variables(colors: dict[str, str]) -> str:
    return "".join(f"--{name}:{color};" for name, color in colors.items())
