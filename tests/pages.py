"""A page of HTML as a browser reads it."""

import html.parser
import json


class Page(html.parser.HTMLParser):
    """What a browser would see: tags with attributes, scripts, styles, and the text between."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self.styles, self.text, self.inside = [], [], "", "", None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside == "style":
            self.styles += data
        else:
            self.text += data

    def one(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    def figure(self, name):
        number = [attrs.get("id") for attrs in self.one("script")].index(f"{name}-figure")
        return json.loads(self.scripts[number])
