"""The router: one process, one stable port, in front of all deployments of one endpoint.

    __main__    the process: start, signals
    listener    gives the port to the next router, without a refused connection
    service     the life of the server: follow the files, drain, end
    caller      the connections of callers: requests in, answers out, time limits
    request     one request as it came in
    rest        reads on after a head that asks for another protocol
    gate        one request: who asks, for what; refusals; the log line
    forward     one request to one replica and the answer back
    upstream    the connections to replicas, kept or opened anew
    line        one connection to a replica
    lanes       the replicas of a deployment: least outstanding first, limits, the queue
    table       the routes as they are now, with their lanes and shares
    flow        bytes on their way through, bounded
    body        the body of a request: how much of it is held, how long it may take
    answers     what the router itself says: status codes, error bodies, headers
    mirror      copies of requests for a mirrored deployment
    collector   requests and responses that are kept
    journal     the access log
    metrics     counters for Prometheus

This package is the only one that imports httptools and, at module level, asyncio; nothing outside imports it.
"""
