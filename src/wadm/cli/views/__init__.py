"""How things look to people: data in, something that rich can print out. No I/O, no clock.

One module a view. Everything is readable without colour; colour only repeats what a word says.
"""
