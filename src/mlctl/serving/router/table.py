"""The routes as they are now: which deployment answers a request, and which ones get a copy of it."""

from __future__ import annotations

from collections.abc import Callable

from mlctl.serving.router.answers import DEPLOYMENT, RefusalError
from mlctl.serving.router.lanes import Lanes, Replica
from mlctl.serving.routes import Routes
from mlctl.serving.traffic import Share, SmoothChoice


class Table:
    """The live side of a `Routes`. Replicas and lanes outlive a change of the routes, so that counts stay right."""

    def __init__(self, routes: Routes, now: Callable[[], float]) -> None:
        self.routes = routes
        self.lanes: dict[str, Lanes] = {}
        self._now = now
        self._replicas: dict[str, Replica] = {}
        self._choices: dict[tuple[str, ...], SmoothChoice] = {}
        self._mirrored: list[tuple[Lanes, Share]] = []
        self._collected: dict[str, Share] = {}
        self.follow(routes)

    def follow(self, routes: Routes) -> None:
        """Take up new routes. Requests that are with a replica are not touched by it."""
        self.routes = routes
        for one in routes.deployments:
            if one.name in self.lanes:
                self.lanes[one.name].follow(one)
            else:
                self.lanes[one.name] = Lanes(one, self._replica, self._now)
        names = {one.name for one in routes.deployments}
        for gone in self.lanes.keys() - names:
            self.lanes.pop(gone).close()
        self._choices = {}
        self._mirrored = [(self.lanes[one.name], Share(one.mirror / 100)) for one in routes.deployments if one.mirror]
        self._collected = {
            one.name: Share(one.collector.sampling_rate) for one in routes.deployments if one.collector is not None
        }
        self._forget_idle()

    def choose(self, path: str, wanted: str | None) -> Lanes:
        """The lanes to the deployment that answers a request for `path`.

        `wanted`: the header `azureml-model-deployment`, which goes before the weights. Raises RefusalError 404.
        """
        if wanted is not None:
            return self._named(path, wanted)
        able = tuple(one.name for one in self.routes.deployments if one.weight and one.path_for(path) is not None)
        choice = self._choices.get(able)
        if choice is None:
            choice = SmoothChoice({one.name: one.weight for one in self.routes.deployments if one.name in able})
            self._choices[able] = choice
        name = choice.choose()
        if name is not None:
            return self.lanes[name]
        if any(one.weight for one in self.routes.deployments):
            raise RefusalError(404, "NotFound", f"no deployment with traffic answers {path[:200]}")
        raise RefusalError(404, "NoTraffic", "the endpoint has no deployment with a weight above 0; set its traffic")

    def mirrors(self, path: str, chosen: str) -> list[Lanes]:
        """The deployments that get a copy of a request that the weights sent to `chosen`."""
        if not self._mirrored:
            return []
        return [
            lanes
            for lanes, share in self._mirrored
            if lanes.deployment.name != chosen and lanes.deployment.path_for(path) is not None and share.take()
        ]

    def collects(self, name: str) -> bool:
        """Whether this request to the deployment is one that its collector keeps."""
        share = self._collected.get(name)
        return share is not None and share.take()

    def draining(self) -> dict[str, int]:
        """Replicas that are not in the routes any more and still answer requests."""
        return {
            url: one.outstanding for url, one in self._replicas.items() if one.outstanding and not self._routed(url)
        }

    def _named(self, path: str, wanted: str) -> Lanes:
        lanes = self.lanes.get(wanted)
        if lanes is None:
            names = ", ".join(sorted(self.lanes)) or "none"
            message = f"the header {DEPLOYMENT.decode()} names {wanted[:64]!r}; the endpoint's deployments are: {names}"
            raise RefusalError(404, "DeploymentNotFound", message)
        if lanes.deployment.path_for(path) is None:
            raise RefusalError(404, "NotFound", f"deployment {wanted} does not answer {path[:200]}")
        return lanes

    def _replica(self, url: str) -> Replica:
        return self._replicas.setdefault(url, Replica(url))

    def _routed(self, url: str) -> bool:
        return any(url in one.replicas for one in self.routes.deployments)

    def _forget_idle(self) -> None:
        gone = [url for url, one in self._replicas.items() if not one.outstanding and not self._routed(url)]
        for url in gone:
            del self._replicas[url]
