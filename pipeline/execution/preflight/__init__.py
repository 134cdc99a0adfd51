"""`tunepipe check`: what would go wrong with a study after an hour, told before it starts.

`check` goes through everything in order. What is quick is looked at here; the user's code, TensorFlow and Ray run in
processes of their own (`process`), which tell facts (`finding`): `rehearsal` trains the first epochs, `cluster` asks
the nodes. The other modules turn facts into findings.
"""
