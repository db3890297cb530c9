"""Components declared in a test, found and computed as a host would."""

from genbench.base.errors import InvalidInput
from genbench.host.battery import Battery, Request
from genbench.host.sharing import complete_shared
from genbench.host.signatures import describe
from genbench.measuring import compute


class Plugin:
    """Probes and measures as one plugin; ``plugin(a, b).compute(roots)`` gives its measures by name."""

    def __init__(self, *objects, name="core"):
        self.components = [describe(each, name) for each in objects]
        self.components = [sound(each) for each in complete_shared(self.components, self.find)]

    def find(self, name, plugin):
        return next((each for each in self.components if each.kind == "probe" and each.name == name), None)

    def requests(self):
        return [Request.of(each) for each in self.components if each.kind == "measure"]

    def resolve(self):
        return Battery.resolve(self.requests(), self.find, [each.name for each in self.components])

    def compute(self, roots=None, **options):
        values = compute(self.resolve(), roots or {}, seed_for, **options)
        return {value.name: value for value in values}


def sound(outcome):
    if isinstance(outcome, InvalidInput):
        raise outcome
    return outcome


def seed_for(component, settings):
    return sum(map(ord, component.name))
