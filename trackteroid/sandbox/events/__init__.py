"""The event hub (specification 7): who is connected, what they listen to, and who gets what.

`packets`, `expressions`, `hub`, `sessions`, `lineage` and `updates` are plain values and functions; only `endpoints`
knows of HTTP, websockets and the event loop.
"""
