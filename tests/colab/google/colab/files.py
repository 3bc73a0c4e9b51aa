def download(filename):
    open(filename, "rb").close()  # as there: a file that is not there raises


def upload():
    return {}
