"""What commands, report and page show, as tables with three forms: for a terminal, a page and a program."""
