"""The replicas of a deployment: least outstanding first, limits, the queue, replicas that do not answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from mlctl.serving.router.answers import RefusalError
from mlctl.serving.router.lanes import Lanes, LeftError, Replica
from mlctl.serving.routes import Deployment

A, B, C = "http://a", "http://b", "http://c"


def deployment(*urls: str, most: int = 1) -> Deployment:
    return Deployment("blue", urls, 100, max_concurrent_requests_per_instance=most)


def lanes_of(*urls: str, most: int = 1) -> Lanes:
    known: dict[str, Replica] = {}
    now = asyncio.get_running_loop().time
    return Lanes(deployment(*urls, most=most), lambda url: known.setdefault(url, Replica(url)), now)


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(test(), 20)

    asyncio.run(bounded())


def test_the_replica_with_the_fewest_requests_is_next_and_equals_take_turns() -> None:
    async def test() -> None:
        lanes = lanes_of(A, B, C, most=4)
        first = [await lanes.enter(soon()) for _ in range(6)]
        assert Counter(one.url for one in first) == {A: 2, B: 2, C: 2}
        lanes.leave(next(one for one in first if one.url == B))
        assert (await lanes.enter(soon())).url == B

    run(test)


def test_who_waits_is_served_in_turn_and_beyond_twice_the_slots_nobody_waits() -> None:
    async def test() -> None:
        lanes = lanes_of(A, most=2)
        running = [await lanes.enter(soon()) for _ in range(2)]
        waiting = [asyncio.ensure_future(lanes.enter(soon())) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RefusalError, match="1 replicas, max_concurrent_requests_per_instance 2") as caught:
            await lanes.enter(soon())
        assert caught.value.status == 429
        lanes.leave(running[0])
        await asyncio.sleep(0.01)
        assert [one.done() for one in waiting] == [True, False]
        lanes.leave(waiting[0].result())
        assert (await waiting[1]).url == A

    run(test)


def test_a_request_waits_no_longer_than_it_may() -> None:
    async def test() -> None:
        lanes = lanes_of(A)
        replica = await lanes.enter(soon())
        with pytest.raises(RefusalError) as caught:
            await lanes.enter(soon(0.03))
        assert caught.value.status == 429
        assert lanes.waiting == 0
        lanes.leave(replica)
        assert (lanes.running, replica.outstanding) == (0, 0)

    run(test)


def test_a_caller_that_goes_while_it_waits_leaves_nothing_behind() -> None:
    async def test() -> None:
        lanes = lanes_of(A)
        replica = await lanes.enter(soon())
        waiting = asyncio.ensure_future(lanes.enter(soon()))
        await asyncio.sleep(0)
        waiting.cancel()
        # it goes in the very moment in which it would be served
        late = asyncio.ensure_future(lanes.enter(soon()))
        await asyncio.sleep(0.01)
        lanes.leave(replica)
        late.cancel()
        await asyncio.gather(waiting, late, return_exceptions=True)
        assert (lanes.waiting, lanes.running, replica.outstanding) == (0, 0, 0)

    run(test)


def test_without_a_replica_a_request_waits_for_one() -> None:
    async def test() -> None:
        lanes = lanes_of()
        waiting = asyncio.ensure_future(lanes.enter(soon()))
        await asyncio.sleep(0.01)
        lanes.follow(deployment(A))
        assert (await waiting).url == A

    run(test)


def test_without_any_replica_the_answer_is_503() -> None:
    async def test() -> None:
        with pytest.raises(RefusalError, match="it has no ready replica") as caught:
            await lanes_of().enter(soon(0.02))
        assert caught.value.status == 503

    run(test)


def test_a_replica_that_refuses_rests_and_is_asked_again() -> None:
    async def test() -> None:
        lanes = lanes_of(A, B, most=8)
        bad = await lanes.enter(soon())
        lanes.refused(bad)
        lanes.leave(bad)
        others = {(await lanes.enter(soon(), again=True)).url for _ in range(4)}
        assert others == {A, B} - {bad.url}
        await asyncio.sleep(0.12)
        assert (await lanes.enter(soon())).url == bad.url

    run(test)


def test_when_all_refuse_the_request_waits_for_the_first_to_come_back_or_gets_503() -> None:
    async def test() -> None:
        lanes = lanes_of(A)
        for wait, outcome in ((soon(), "entered"), (soon(0.05), "refused")):
            replica = await lanes.enter(soon())
            lanes.refused(replica)
            lanes.leave(replica)
            if outcome == "entered":
                lanes.leave(await lanes.enter(wait, again=True))
            else:
                with pytest.raises(RefusalError, match="none of its replicas takes connections"):
                    await lanes.enter(wait, again=True)

    run(test)


def test_who_waits_for_a_deployment_that_leaves_is_told() -> None:
    async def test() -> None:
        lanes = lanes_of()
        waiting = asyncio.ensure_future(lanes.enter(soon()))
        await asyncio.sleep(0.01)
        lanes.close()
        with pytest.raises(LeftError):
            await waiting

    run(test)


def test_a_replica_that_left_keeps_its_count_until_its_requests_are_through() -> None:
    async def test() -> None:
        lanes = lanes_of(A, most=1)
        old = await lanes.enter(soon())
        lanes.follow(deployment(B))
        assert (await lanes.enter(soon())).url == B
        assert old.outstanding == 1
        lanes.leave(old)
        assert (old.outstanding, lanes.running) == (0, 1)

    run(test)
