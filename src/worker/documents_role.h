/* worker/documents_role.h - the life of a worker that looks at texts of others: hello, then an answer to each TEXT. */
#ifndef CRATON_WORKER_DOCUMENTS_ROLE_H
#define CRATON_WORKER_DOCUMENTS_ROLE_H

int documents_role(int fd);                                 /* owns fd; the exit status of the process */

#endif
