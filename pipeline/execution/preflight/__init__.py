"""`tunepipe check`: problems of a study, found before it starts rather than after an hour.

`check` runs every check in order. Quick checks run in this process; the user's code, TensorFlow and Ray run in their
own processes (`process`), which publish facts (`finding`): `rehearsal` trains the first epochs, `cluster` asks the
nodes. The other modules turn facts into findings.
"""
