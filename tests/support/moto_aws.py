"""AWS that nobody here wrote: moto's S3, IAM and STS, in memory.

`python moto_aws.py PORT_FILE` serves it on a loopback port. It checks every signature once /moto-api/reset-auth has been
told 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

if __name__ == "__main__":
    served = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    Path(sys.argv[1]).write_text(str(served.server_port))
    served.serve_forever()
