"""Agents that declare everything that can be declared, and what no page can take as it is."""

RICH = '''\
from ocfkit import *

class Rich(Agent):
    """Have everything.

    The rest at length.
    """
    version = "2.3"
    name_ = param.string("A name.\\n\\nAnd more of it.", required=True, name="name", unique="who")
    port = param.port("A port.", default=80, unique="who", reloadable=True)
    alone = param.duration("A time.", default="90s", minimum=1, unique="alone")
    key = param.secret("A key.", default=None)
    old = param.boolean("Old.", default=False, deprecated="It does nothing.", replaced_by="key")
    def start(self): pass
    def stop(self): pass
    @action
    def monitor(self): return STOPPED
    def promote(self): pass
    def demote(self): pass
    def reload_agent(self): pass
    @monitor.depth(10, retries=1, tolerate=2, role="Promoted", interval="31s")
    def page_comes_back(self): pass
    @monitor.depth(20, retries=3, pause="500ms", interval="1min", timeout="1min")
    def select_works(self): pass
'''

NASTY = '''\
from ocfkit import *

class Nasty(Agent):
    """.TH "one" \\\\fBtwo\\\\n(.x 'three'. Four & <five>

    .SH no heading
    'nor a request \\\\" nor a comment
    日本語の説明文はとても長くて、空白がまったくありませんので、行を分けることが難しいです。それでも警\
告なしで表示されるべきであり、これはそのための長い文章です。
    """

    a = param.string(".desc", default="\\\\\\"'.x")
    b = param.enum("'one", choices=["日本", "-x"], default="日本",
                   deprecated=".old", replaced_by="a")
    c = param.string("Needed.", required=True)
    def start(self): pass
    def stop(self): pass
    def monitor(self): return STOPPED
    def promote(self): pass
    def demote(self): pass
'''
