"""Components declared in a test, found and computed as a host would."""

from genbench.host.battery import Battery, Request
from genbench.host.signatures import describe
from genbench.measuring import compute


class Plugin:
    """Probes and measures as one plugin; ``plugin(a, b).compute(roots)`` gives its measures by name."""

    def __init__(self, *objects, name="core"):
        self.components = [describe(each, name) for each in objects]

    def find(self, name, plugin):
        return next((each for each in self.components if each.kind == "probe" and each.name == name), None)

    def requests(self):
        return [Request.of(each) for each in self.components if each.kind == "measure"]

    def resolve(self):
        return Battery.resolve(self.requests(), self.find, [each.name for each in self.components])

    def compute(self, roots=None, **options):
        values = compute(self.resolve(), roots or {}, seed_for, **options)
        return {value.name: value for value in values}


def seed_for(component, settings):
    return sum(map(ord, component.name))
