"""`ocfkit check`: run an OCF agent, in whatever language, through an itinerary, and judge it.

As in lsbcheck, data flows one way: the itinerary makes calls in private machines and writes a
transcript, and rules, which touch nothing, read it.
"""
